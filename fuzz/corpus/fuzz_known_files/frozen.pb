

inputPlaceholder