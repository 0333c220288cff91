#include "stream/non_finite.h"

#include <fmt/format.h>

namespace narrow {

Error non_finite_error(const TensorInfo& info, const NonFinite& found) {
  return {ErrorCategory::kNumeric,
          fmt::format("tensor {} has {} NaN or infinite value{} (the first at index {}), "
                      "which cannot be quantized",
                      info.name, found.count, found.count == 1 ? "" : "s", found.first_index),
          {Remedy::Kind::kKeepNonFinite}};
}

}  // namespace narrow
