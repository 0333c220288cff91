#include "cli/commands/levelled_network.h"

#include "cli/console/job_progress.h"
#include "narrow/dequantized_weights.h"
#include "narrow/export_network.h"
#include "narrow/packed_checkpoint.h"

namespace narrow {

LevelledNetwork::LevelledNetwork(const std::filesystem::path& model, int threads) {
  const std::filesystem::path path = folder_.path() / kLevelledName;
  JobProgress progress("levelling channels");
  const auto reader = see_dequantized(open_checkpoint(model));
  export_network(*reader, {.equalize = true}, path, Overwrite::kNo, {threads, &progress});
  progress.finish();
  reader_ = open_unpacked(path);
}

}  // namespace narrow
