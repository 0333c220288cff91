// What a training writes into its directory: checkpoints, of which the newest few stay, and a
// TensorBoard event file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/file.h"
#include "data/records/event_file.h"
#include "narrow/checkpoint.h"
#include "narrow/train.h"

namespace narrow {

// A tensor of a checkpoint, made when it is its turn to be written.
struct SavedTensor {
  TensorInfo info;
  // Fills exactly info.byte_size() bytes. One call at a time of all tensors of a checkpoint.
  std::function<void(std::span<std::byte>)> fill;
};

class TrainingFiles {
 public:
  // `newest`: the checkpoint that is there already, if a training is continued.
  TrainingFiles(std::filesystem::path directory, std::optional<std::filesystem::path> newest)
      : directory_(std::move(directory)), newest_(std::move(newest)) {}

  // Writes model.ckpt-STEP in TensorFlow's V2 format, sorted by name as Saver does, makes it the
  // newest of the state file, and deletes all but the newest five. The first one of a new training
  // replaces nothing: Error(kExists). Otherwise Error(kIo).
  void save(std::int64_t global_step, std::vector<SavedTensor> tensors);

  // The newest checkpoint, complete on disk; nothing before the first save.
  [[nodiscard]] const std::optional<std::filesystem::path>& newest() const { return newest_; }

  // Appends the figures of a step; the file appears with the first of them.
  void write_event(const TrainStep& step);
  // Lets readers see the events so far.
  void flush_events();

 private:
  std::filesystem::path directory_;
  std::optional<std::filesystem::path> newest_;
  std::optional<OutputFile> event_file_;
  std::optional<EventWriter> events_;
};

}  // namespace narrow
