// What calibration changed.
#pragma once

#include <string>

#include "narrow/calibrate_network.h"
#include "report/report.h"

namespace narrow {

// The closing lines.
std::string calibration_text(const CalibrationResult& result, const CalibrationImages& images);

// A table of the layers; the JSON object is {"schema": 1, "network", "images", "layers": [...],
// "summary": {...}, "input", "output"}.
Report calibration_report(const CalibrationResult& result, const CalibrationImages& images,
                          const CheckpointLocation& input, const CheckpointLocation& output);

}  // namespace narrow
