// Slim's flags that say which images a command reads.
#pragma once

#include "cli/parser/command.h"
#include "narrow/image_source.h"

namespace narrow {

// All but those about sizes, which commands have under names of their own.
void add_dataset_flags(Command& command, ImageSource& images);

}  // namespace narrow
