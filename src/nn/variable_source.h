// Where a network's variables come from, and the check that all of them are there.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "narrow/tensor.h"
#include "nn/resnet_v1.h"

namespace narrow {

// Named variables: a checkpoint, a quantized copy of one, arrays in a test.
class VariableSource {
 public:
  virtual ~VariableSource() = default;
  // What is known of the variable, or nothing when there is none of that name.
  [[nodiscard]] virtual std::optional<TensorInfo> find(std::string_view name) const = 0;
  // Its values, row-major, converted to float32; `values` holds exactly its elements. Called only
  // for names that find() knows and whose type is a floating-point one.
  virtual void read(std::string_view name, std::span<float> values) const = 0;
};

// Checks that `source` has every variable of `network`, of a floating-point type and of the right
// shape. Other variables of the source are of no concern.
// Throws one Error(kNotFound or kUsage) that names every variable that is missing or does not fit,
// with the shapes found and expected, and explains another number of classes as such.
void check_variables(const ResnetV1& network, const VariableSource& source);

}  // namespace narrow
