#include "checkpoint/container/cannot_hold.h"

#include <fmt/format.h>

#include "checkpoint/container/safetensors_types.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// Who has the type, and the option that writes such a file. TensorFlow has all that are computed
// with.
struct Home {
  std::string_view owner;
  std::string_view options;
};

Home home_of(const TensorInfo& info) {
  if (info.dtype != DType::kOpaque) {
    return {"", safetensors_type_name(info) ? "--format safetensors or tf" : "--format tf"};
  }
  switch (info.opaque.family) {
    case OpaqueType::Family::kSafetensors:
      return {"safetensors' ", "--format safetensors"};
    case OpaqueType::Family::kTensorFlow:
      return {"TensorFlow's ", "--format tf"};
    case OpaqueType::Family::kNumpy:
      return {"NumPy's ", "--format npz"};
  }
  return {"", "the format of the input"};
}

}  // namespace

void throw_cannot_hold(std::string_view container, const TensorInfo& info) {
  const Home home = home_of(info);
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{} cannot hold tensor {}, whose type is {}{}; use {}", container,
                          info.name, home.owner, info.type_name(), home.options));
}

}  // namespace narrow
