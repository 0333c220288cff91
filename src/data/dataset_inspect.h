// What a split holds: counts, sizes, checksums, and a picture of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/images/contact_sheet.h"

namespace narrow {

struct ClassCount {
  std::string name;
  std::uint64_t images = 0;
};

struct DatasetSummary {
  std::filesystem::path path;
  std::uint64_t size_bytes = 0;
  std::uint64_t records = 0;
  std::vector<ClassCount> classes;  // by label
  int min_height = 0;               // 0 for a split without records
  int max_height = 0;
  int min_width = 0;
  int max_width = 0;
};

// Reads every record of a split on all cores: checksums, labels, and every image decoded. Throws
// what Dataset::read throws for the first bad record.
DatasetSummary summarize_dataset(const Dataset& dataset);

// The first `per_class` images of every class, a row a class (layout.columns is not used). Throws
// Error(kUsage) for per_class below 1, what Dataset::read throws, and what make_contact_sheet does.
Image make_class_sheet(const Dataset& dataset, int per_class, const ContactSheetLayout& layout);

}  // namespace narrow
