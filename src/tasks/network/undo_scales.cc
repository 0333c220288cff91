#include <filesystem>

#include "model/network_variables.h"
#include "narrow/error.h"
#include "narrow/quantize_network.h"
#include "tasks/network/scales_file.h"

namespace narrow {

void undo_channel_scales(const CheckpointReader& reader, const CheckpointReader& scales,
                         CheckpointWriter& writer) {
  LoadedNetwork network = load_network(reader);
  undo_scales(network.graph, network.layers, read_scales(scales, network.graph, network.layers),
              network.weights);
  write_with_weights(reader, network.weights, writer);
}

CheckpointLocation channel_scales_location(const CheckpointLocation& checkpoint) {
  std::filesystem::path path = checkpoint.path;
  if (checkpoint.format == CheckpointFormat::kSafetensors ||
      checkpoint.format == CheckpointFormat::kNpz) {
    path.replace_extension();
  }
  path += ".channel_scales.safetensors";
  return {CheckpointFormat::kSafetensors, path};
}

void copy_channel_scales(const CheckpointLocation& from, const CheckpointLocation& to,
                         Overwrite overwrite) {
  const CheckpointLocation scales = channel_scales_location(from);
  if (!std::filesystem::exists(scales.path)) return;
  const auto reader = open_checkpoint(scales.path);
  QuantizePlan plan;
  for (std::size_t i = 0; i < reader->tensors().size(); ++i) plan.push_back({i, std::nullopt});
  const auto writer = create_checkpoint(channel_scales_location(to), overwrite);
  quantize_checkpoint(*reader, plan, {}, *writer);
  writer->finish();
}

}  // namespace narrow
