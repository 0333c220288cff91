// Reading ONNX files as checkpoints.
#include <utility>

#include "checkpoint/container/formats.h"
#include "checkpoint/container/wire_cursor.h"
#include "checkpoint/onnx/onnx_properties.h"
#include "checkpoint/onnx/onnx_source.h"
#include "narrow/error.h"

namespace narrow {
namespace {

class OnnxReader final : public CheckpointReader {
 public:
  explicit OnnxReader(const CheckpointLocation& location)
      : location_(location), source_(location.path) {
    for (const OnnxTensor& tensor : source_.layout().tensors) tensors_.push_back(tensor.info);
  }

  [[nodiscard]] const CheckpointLocation& location() const override { return location_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  [[nodiscard]] std::map<std::string, std::string> metadata() const override {
    return onnx_properties(source_.layout());
  }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override {
    return source_.open(index);
  }
  [[nodiscard]] std::vector<std::string> read_strings(std::size_t index) const override {
    if (tensors_.at(index).dtype != DType::kString) return CheckpointReader::read_strings(index);
    return source_.read_strings(index);
  }

 private:
  CheckpointLocation location_;
  OnnxSource source_;
  std::vector<TensorInfo> tensors_;
};

// Whether the first fields are those of a ModelProto, up to its graph and its version.
bool has_model_fields(const InputFile& file) {
  constexpr std::uint32_t kVersion = 1;
  constexpr std::uint32_t kGraph = 7;
  constexpr int kMostFields = 4096;
  constexpr std::uint64_t kNewestVersion = 1000;
  bool has_version = false;
  bool has_graph = false;
  WireCursor cursor(file, 0, file.size());
  for (int i = 0; i < kMostFields && !cursor.at_end(); ++i) {
    const WireTag tag = cursor.tag();
    if (tag.number == kVersion) {
      if (tag.kind != WireKind::kVarint) return false;
      const std::uint64_t version = cursor.varint();
      has_version = version > 0 && version <= kNewestVersion;
      if (!has_version) return false;
    } else {
      if (tag.number == kGraph && tag.kind != WireKind::kBytes) return false;
      has_graph |= tag.number == kGraph;
      cursor.skip_value(tag.kind);
    }
    if (has_version && has_graph) return true;
  }
  return false;
}

}  // namespace

bool looks_like_onnx(const InputFile& file) {
  try {
    if (!has_model_fields(file)) return false;
  } catch (const Error& error) {
    if (error.category() != ErrorCategory::kCorrupt) throw;
    return false;
  }
  return !looks_like_tensorflow_table(file) && !looks_like_safetensors(file) &&
         !looks_like_npz(file) && !looks_like_npy(file) && !looks_like_tflite(file);
}

std::unique_ptr<CheckpointReader> open_onnx(const CheckpointLocation& location) {
  return std::make_unique<OnnxReader>(location);
}

}  // namespace narrow
