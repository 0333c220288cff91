#include "tasks/evaluation/array_examples.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "narrow/error.h"
#include "tasks/input_arrays.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

// A number of examples other than the one that the network is made for goes through one by one.
bool fits(const Value& input, const TensorInfo& info) {
  if (info.dtype != input.type || info.shape.size() != input.dimensions.size()) return false;
  for (std::size_t axis = 1; axis < info.shape.size(); ++axis) {
    const Dimension& declared = input.dimensions[axis];
    if (!declared.is_free() && declared.size != info.shape[axis]) return false;
  }
  return true;
}

}  // namespace

ArrayExamples::ArrayExamples(const std::filesystem::path& path, const Graph& network,
                             int labels_offset)
    : path_(path) {
  for (const ValueId id : network.inputs) names_.push_back(network.value(id).name);
  if (names_.empty()) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} has no inputs, so there is nothing to evaluate", network.name));
  }
  const InputArrays file(path);
  std::vector<NamedArray> arrays = file.read(names_);
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const Value& input = network.value(network.inputs[i]);
    const TensorInfo& info = arrays[i].info;
    if (fits(input, info)) continue;
    throw Error(ErrorCategory::kUsage,
                fmt::format("the array {} of {} is {}{}, but the input of {} is {}{}", input.name,
                            path.string(), info.type_name(), to_string(info.shape), network.name,
                            to_string(input.type), to_string(input.dimensions)));
  }
  size_ = static_cast<std::size_t>(examples_of(arrays));
  if (size_ == 0) {
    throw Error(ErrorCategory::kUsage, fmt::format("{} has no examples", path.string()));
  }
  for (NamedArray& array : arrays) {
    arrays_.push_back({array.info.dtype, array.info.shape, std::move(array.values)});
  }
  labels_ = ExampleLabels(file, path, size_, labels_offset);
}

void ArrayExamples::require_fit(const Graph& network) const {
  bool fits = network.inputs.size() == names_.size();
  for (std::size_t i = 0; fits && i < names_.size(); ++i) {
    const Value& input = network.value(network.inputs[i]);
    fits = input.name == names_[i] && input.type == arrays_[i].type;
  }
  if (fits) return;
  throw Error(ErrorCategory::kUsage, fmt::format("the inputs of {} are others than those of the "
                                                 "first network, which the arrays of {} are for",
                                                 network.name, path_.string()));
}

std::vector<Shape> ArrayExamples::shapes(std::int64_t count) const {
  std::vector<Shape> shapes;
  for (const GraphArray& array : arrays_) {
    shapes.push_back(array.shape);
    shapes.back().front() = count;
  }
  return shapes;
}

GraphArrays ArrayExamples::take(std::span<const std::size_t> examples,
                                std::span<const DType> types) const {
  GraphArrays taken;
  const std::vector<Shape> shapes = this->shapes(static_cast<std::int64_t>(examples.size()));
  for (std::size_t i = 0; i < arrays_.size(); ++i) {
    const std::size_t row = arrays_[i].bytes.size() / size_;
    GraphArray& part = taken.emplace_back(GraphArray{arrays_[i].type, shapes[i], {}});
    for (const std::size_t example : examples) {
      const auto from = arrays_[i].bytes.begin() + static_cast<std::ptrdiff_t>(example * row);
      part.bytes.insert(part.bytes.end(), from, from + static_cast<std::ptrdiff_t>(row));
    }
    if (part.type == types[i]) continue;
    part.bytes = encode_reals(types[i], decode_reals(part.type, part.bytes));
    part.type = types[i];
  }
  return taken;
}

}  // namespace narrow
