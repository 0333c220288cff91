// What the converters share: finding out whether a dataset is there and whole, and writing it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/staging/staged_output.h"
#include "data/convert/convert.h"
#include "data/dataset.h"

namespace narrow {

// The images of one split, by row; called from several threads.
struct SplitSource {
  std::uint64_t records = 0;
  std::function<LabeledImage(std::size_t row)> image;
};

// What was found of the dataset `spec` in `directory`, given the records each split must have.
// `result` is complete but for the archive's digests when every record file is whole; otherwise
// the observer got a note that says why, unless nothing was there. A missing labels.txt is written.
bool find_complete_dataset(const std::filesystem::path& directory, const DatasetSpec& spec,
                           const std::vector<std::uint64_t>& records, ConvertObserver& observer,
                           ConvertResult* result);

// The dataset `spec` in `directory`, to be written by this process alone: every split and
// labels.txt, all of which appear together, replacing what is there.
class DatasetOutput {
 public:
  // Waits while another process writes it. Throws Error(kIo).
  DatasetOutput(std::filesystem::path directory, const DatasetSpec& spec);
  // Whether another process wrote it meanwhile, or tried to.
  [[nodiscard]] bool has_waited() const { return staged_.has_waited(); }
  // `sources` are in the order of spec.splits. Throws Error(kIo), Error(kInterrupted).
  void write(const std::vector<SplitSource>& sources, ConvertObserver& observer,
             ConvertResult* result);

 private:
  std::filesystem::path directory_;
  const DatasetSpec& spec_;
  StagedOutput staged_;
};

}  // namespace narrow
