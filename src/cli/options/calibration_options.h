// The options that say which images calibration sees.
#pragma once

#include <string>

#include "cli/parser/command.h"
#include "narrow/calibrate_network.h"

namespace narrow {

// Slim's flags for datasets, and `count_name` for the number of images; in `group` of the help.
void add_calibration_options(Command& command, CalibrationImages& images,
                             const std::string& count_name, const std::string& group);

}  // namespace narrow
