#include "tasks/network/network_variables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "narrow/error.h"
#include "tasks/evaluation/checkpoint_network.h"

namespace narrow {
namespace {

int class_count_of(const CheckpointReader& reader, const std::string& scope) {
  constexpr std::int64_t kMostClasses = 1 << 20;
  const auto index = reader.find(scope + "/logits/biases");
  if (index) {
    const Shape& shape = reader.tensors()[*index].shape;
    if (shape.size() == 1 && shape[0] >= 1 && shape[0] <= kMostClasses) {
      return static_cast<int>(shape[0]);
    }
  }
  throw Error(ErrorCategory::kNotFound,
              fmt::format("{} has no {}/logits/biases with one element for each class",
                          reader.location().path.string(), scope));
}

void require_usable(const ModelVariable& variable, std::span<const float> values,
                    const CheckpointReader& reader) {
  const bool is_variance = variable.kind == VariableKind::kMovingVariance;
  const auto is_usable = [&](float value) {
    return std::isfinite(value) && (!is_variance || value >= 0);
  };
  const auto found = std::ranges::find_if_not(values, is_usable);
  if (found == values.end()) return;
  throw Error(
      ErrorCategory::kNumeric,
      fmt::format("{}: {} has the value {} at index {}, expected {}; no method that uses "
                  "the network can work with it",
                  reader.location().path.string(), variable.name, *found, found - values.begin(),
                  is_variance ? "a number of 0 or more" : "a finite number"));
}

}  // namespace

LoadedNetwork load_network(const CheckpointReader& reader) {
  const CheckpointVariables source(reader, false);
  const std::string scope = find_network_scope(reader);
  ResnetV1 description =
      network_of_checkpoint(reader, source, scope, class_count_of(reader, scope));
  check_variables(description, source);
  FlatVariables variables(description);
  for (const ModelVariable& variable : description.variables()) {
    const DType dtype = source.find(variable.name)->dtype;
    if (dtype != DType::kFloat32) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("{}: {} is {}; methods that use the network need float32",
                              reader.location().path.string(), variable.name, to_string(dtype)));
    }
    const std::span<float> values = variables.values(variable.name);
    source.read(variable.name, values);
    require_usable(variable, values, reader);
  }
  return {std::move(description), std::move(variables)};
}

void write_with_variables(const CheckpointReader& reader, const FlatVariables& variables,
                          CheckpointWriter& writer) {
  for (const TensorInfo& info : reader.tensors()) writer.add(info);
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    const TensorInfo& info = reader.tensors()[i];
    if (variables.find(info.name)) {
      writer.write(std::as_bytes(variables.values(info.name)));
    } else if (info.dtype == DType::kString) {
      writer.write_strings(reader.read_strings(i));
    } else if (info.byte_size() > 0) {
      bytes.resize(info.byte_size());
      reader.read(i, bytes);
      writer.write(bytes);
    }
  }
}

}  // namespace narrow
