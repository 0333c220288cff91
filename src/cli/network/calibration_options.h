// The options that say which images calibration sees.
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <string>

#include "narrow/calibrate_network.h"

namespace narrow {

// Slim's flags for datasets, and `count_name` for the number of images; in `group` of the help.
void add_calibration_options(CLI::App& command, CalibrationImages& images,
                             const std::string& count_name, const std::string& group);

}  // namespace narrow
