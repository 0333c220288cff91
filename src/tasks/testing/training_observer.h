// What the tests of this folder share: the small network and dataset of the evaluation's tests, and
// an observer that remembers.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "narrow/train.h"
#include "tasks/testing/noise_dataset.h"

namespace narrow {

class RecordingObserver : public TrainObserver {
 public:
  void on_note(const std::string& sentence) override { notes.push_back(sentence); }
  void on_plan(const TrainSummary& plan) override { plans.push_back(plan); }
  void on_step(const TrainStep& step) override { steps.push_back(step); }
  void on_checkpoint(const std::filesystem::path& checkpoint) override {
    checkpoints.push_back(checkpoint.filename().string());
  }
  bool on_progress(std::uint64_t /*done*/, std::uint64_t /*total*/, ProgressUnit unit) override {
    units.insert(unit);
    return calls_left == 0 || --calls_left > 0;
  }

  std::vector<std::string> notes;
  std::vector<TrainSummary> plans;
  std::vector<TrainStep> steps;
  std::vector<std::string> checkpoints;
  std::set<ProgressUnit> units;
  int calls_left = 0;  // of on_progress until it says no; 0: never
};

// A checkpoint of small_network() under `prefix`, global_step 7.
inline void write_small_checkpoint(const std::filesystem::path& prefix, std::uint64_t seed,
                                   int class_count = 10) {
  const auto writer = create_checkpoint({CheckpointFormat::kTensorFlowV2, prefix}, Overwrite::kYes);
  const auto tensors = small_tensors(small_network(class_count), seed);
  for (const MemoryTensor& tensor : tensors) writer->add(tensor.info);
  for (const MemoryTensor& tensor : tensors) writer->write(tensor.bytes);
  writer->finish();
}

}  // namespace narrow
