// The options that change numbers of a preprocessing.
#pragma once

#include <array>
#include <string>

#include "cli/parser/command.h"
#include "narrow/image_source.h"

namespace narrow {

// All but the sizes, in `group` of the help; empty: in the command's own.
void add_recipe_flags(Command& command, ImageSource& images, const std::string& group = {});

// "123.68,116.78,103.94". Throws Error(kUsage) naming the option.
std::array<float, 3> parse_color(const std::string& text, const std::string& option);

}  // namespace narrow
