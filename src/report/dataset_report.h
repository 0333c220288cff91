// What a download left, and what a dataset holds.
#pragma once

#include <string>
#include <vector>

#include "narrow/datasets.h"
#include "report/report.h"

namespace narrow {

std::string download_text(const DownloadOutcome& outcome);
nlohmann::ordered_json download_json(const DownloadOutcome& outcome);

// Facts of each split and a table of its classes.
std::string dataset_text(const std::vector<InspectedSplit>& splits);
nlohmann::ordered_json dataset_json(const std::vector<InspectedSplit>& splits);
// For exports.
Report dataset_report(const std::vector<InspectedSplit>& splits);

}  // namespace narrow
