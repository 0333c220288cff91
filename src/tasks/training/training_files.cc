#include "tasks/training/training_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/parallel.h"
#include "checkpoint/tensorflow/state_file.h"
#include "tasks/event_names.h"

namespace narrow {
namespace {

constexpr std::string_view kPrefix = "model.ckpt-";
constexpr std::size_t kKeptCheckpoints = 5;  // Saver's max_to_keep

// The next tensor is made while the last one is written.
void write_tensors(const std::vector<SavedTensor>& tensors, CheckpointWriter& writer) {
  for (const SavedTensor& tensor : tensors) writer.add(tensor.info);
  std::vector<std::vector<std::byte>> made(tensors.size());
  std::size_t next = 0;
  run_pipeline<std::vector<std::byte>>(
      2,
      [&]() -> std::vector<std::byte>* {
        if (next == tensors.size()) return nullptr;
        made[next].resize(tensors[next].info.byte_size());
        tensors[next].fill(made[next]);
        return &made[next++];
      },
      [](std::vector<std::byte>& /*bytes*/) {},
      [&](std::vector<std::byte>& bytes) {
        writer.write(bytes);
        bytes = {};
      });
  writer.finish();
}

}  // namespace

void TrainingFiles::save(std::int64_t global_step, std::vector<SavedTensor> tensors) {
  std::ranges::sort(
      tensors, {}, [](const SavedTensor& tensor) -> const auto& { return tensor.info.name; });
  const std::filesystem::path prefix = directory_ / fmt::format("{}{}", kPrefix, global_step);
  const auto writer = create_checkpoint({CheckpointFormat::kTensorFlowV2, prefix},
                                        newest_ ? Overwrite::kYes : Overwrite::kNo);
  write_tensors(tensors, *writer);
  newest_ = prefix;
  keep_newest_checkpoints(directory_, kPrefix, kKeptCheckpoints);
  flush_events();
}

void TrainingFiles::write_event(const TrainStep& step) {
  const double now = wall_time();
  if (!event_file_) {
    event_file_.emplace(directory_ / free_event_file_name(directory_, now));
    events_.emplace(*event_file_, now);
  }
  events_->write(now, step.global_step,
                 {{"train/loss", static_cast<float>(step.loss)},
                  {"train/cross_entropy", static_cast<float>(step.cross_entropy)},
                  {"train/accuracy", static_cast<float>(step.accuracy)},
                  {"train/learning_rate", step.learning_rate}});
}

void TrainingFiles::flush_events() {
  if (event_file_) event_file_->flush();
}

}  // namespace narrow
