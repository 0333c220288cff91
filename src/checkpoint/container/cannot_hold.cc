#include "checkpoint/container/cannot_hold.h"

#include <fmt/format.h>

#include "checkpoint/container/safetensors_types.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// Who has the type, and the formats that hold it. TensorFlow has all that are computed with.
struct Home {
  std::string_view owner;
  std::string_view formats;
};

Home home_of(const TensorInfo& info) {
  if (info.dtype != DType::kOpaque) {
    return {"", safetensors_type_name(info) ? "safetensors or tf" : "tf"};
  }
  switch (info.opaque.family) {
    case OpaqueType::Family::kSafetensors:
      return {"safetensors' ", "safetensors"};
    case OpaqueType::Family::kTensorFlow:
      return {"TensorFlow's ", "tf"};
    case OpaqueType::Family::kNumpy:
      return {"NumPy's ", "npz"};
    case OpaqueType::Family::kOnnx:
      return {"ONNX's ", "onnx"};
    case OpaqueType::Family::kPyTorch:
      return {"PyTorch's ", "pytorch"};
    case OpaqueType::Family::kGguf:
      return {"GGUF's ", "gguf"};
    case OpaqueType::Family::kHdf5:
      return {"HDF5's ", "hdf5"};
    case OpaqueType::Family::kTflite:
      return {"TFLite's ", "the format of the input"};
  }
  return {"", "the format of the input"};
}

}  // namespace

void throw_cannot_hold(std::string_view container, const TensorInfo& info) {
  const Home home = home_of(info);
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{} cannot hold tensor {}, whose type is {}{}", container, info.name,
                          home.owner, info.type_name()),
              {Remedy::Kind::kOtherFormat, std::string(home.formats)});
}

void refuse_metadata(const std::map<std::string, std::string>& metadata) {
  if (metadata.empty()) return;
  throw Error(ErrorCategory::kUnsupported,
              "this checkpoint format has no place for metadata: write safetensors");
}

}  // namespace narrow
