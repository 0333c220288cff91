#include "narrow/error.h"
#include "narrow/quantize_network.h"
#include "tasks/network/channel_scales.h"
#include "tasks/network/network_variables.h"

namespace narrow {

void undo_channel_scales(const CheckpointReader& reader, const CheckpointReader& scales,
                         CheckpointWriter& writer) {
  LoadedNetwork network = load_network(reader);
  undo_scales(network.description, read_scales(scales, network.description), network.variables);
  for (const TensorInfo& info : reader.tensors()) writer.add(info);
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    const TensorInfo& info = reader.tensors()[i];
    if (network.variables.find(info.name)) {
      writer.write(std::as_bytes(network.variables.values(info.name)));
    } else if (info.dtype == DType::kString) {
      writer.write_strings(reader.read_strings(i));
    } else if (info.byte_size() > 0) {
      bytes.resize(info.byte_size());
      reader.read(i, bytes);
      writer.write(bytes);
    }
  }
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

}  // namespace narrow
