#include "tasks/plan/levelled_network.h"

#include "base/temporary_folder.h"
#include "narrow/dequantized_weights.h"
#include "narrow/export_network.h"
#include "narrow/packed_checkpoint.h"

namespace narrow {
namespace {

struct LevelledNetwork {
  TemporaryFolder folder;
  std::unique_ptr<CheckpointReader> reader;  // closed before the folder goes
};

}  // namespace

std::shared_ptr<const CheckpointReader> levelled_network(const std::filesystem::path& model,
                                                         const RunOptions& run) {
  const auto network = std::make_shared<LevelledNetwork>();
  const std::filesystem::path path = network->folder.path() / "level.onnx";
  const auto reader = see_dequantized(open_checkpoint(model));
  export_network(*reader, {.equalize = true}, path, Overwrite::kNo, run);
  network->reader = open_unpacked(path);
  return {network, network->reader.get()};
}

}  // namespace narrow
