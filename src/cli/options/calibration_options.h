// The options that say which images calibration sees.
#pragma once

#include <string>

#include "cli/parser/command.h"
#include "narrow/calibrate_network.h"

namespace narrow {

// What --images names. It once was the number of images in `calibrate`, and a number still is.
enum class ImagesOption { kPictures, kPicturesOrCount };

// Slim's flags for datasets, pictures, and the number of images; in `group` of the help.
void add_calibration_options(Command& command, CalibrationImages& images, ImagesOption option,
                             const std::string& group);

}  // namespace narrow
