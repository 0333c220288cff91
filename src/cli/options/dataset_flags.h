// Slim's flags that say which images a command reads, and what there is besides.
#pragma once

#include "cli/parser/command.h"
#include "narrow/image_source.h"

namespace narrow {

// All but those about sizes, which commands have under names of their own.
void add_dataset_flags(Command& command, ImageSource& images);

// Throws Error(kUsage), in Slim's words, when neither a dataset and its directory nor pictures are
// given.
void require_images(const ImageSource& images);

}  // namespace narrow
