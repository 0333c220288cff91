#include "tasks/plan/levelled_network.h"

#include <filesystem>

#include "base/temporary_file.h"
#include "narrow/dequantized_weights.h"
#include "narrow/export_network.h"

namespace narrow {
namespace {

struct LevelledFile {
  TemporaryFolder folder;
  std::unique_ptr<CheckpointReader> reader;
};

}  // namespace

std::shared_ptr<const CheckpointReader> levelled_network(const CheckpointLocation& model,
                                                         const RunOptions& run) {
  const auto file = std::make_shared<LevelledFile>();
  const std::filesystem::path path = file->folder.path() / "level.onnx";
  const auto reader = see_dequantized(open_checkpoint(model.path));
  export_network(*reader, {.equalize = true}, path, Overwrite::kNo, {run.threads, nullptr});
  file->reader = open_checkpoint(path);
  return {file, file->reader.get()};
}

}  // namespace narrow
