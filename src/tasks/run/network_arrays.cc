#include <fmt/format.h>

#include <algorithm>

#include "base/random.h"
#include "graph/widen_halves.h"
#include "narrow/error.h"
#include "narrow/run_network.h"
#include "tasks/input_arrays.h"
#include "tasks/input_shapes.h"
#include "tasks/run/array_reader.h"
#include "tasks/run/runnable_network.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

// Of one input: 8 GiB while it is made.
constexpr std::uint64_t kMostElements = std::uint64_t{1} << 30;

Shape random_shape(const Value& input, const std::map<std::string, Shape>& shapes) {
  const auto given = shapes.find(input.name);
  if (given != shapes.end()) return given->second;
  Shape shape;
  for (std::size_t axis = 0; axis < input.dimensions.size(); ++axis) {
    const Dimension& dimension = input.dimensions[axis];
    if (dimension.is_free() && axis > 0) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("the input {} is {}: its shape has to be given", input.name,
                              to_string(input.dimensions)));
    }
    shape.push_back(dimension.is_free() ? 1 : dimension.size);
  }
  return shape;
}

std::vector<std::byte> random_values(DType type, const std::string& name, std::uint64_t count,
                                     std::uint64_t seed) {
  RandomStream random(seed, name);
  if (is_floating_point(type)) {
    std::vector<double> values(count);
    for (double& value : values) value = 2 * random.uniform() - 1;
    return encode_reals(type, values);
  }
  std::vector<std::int64_t> values(count);
  for (std::int64_t& value : values) value = static_cast<std::int64_t>(random.below(2));
  return encode_integers(type, values);
}

}  // namespace

std::vector<NamedArray> read_arrays(const std::filesystem::path& path) {
  const InputArrays file(path);
  std::vector<std::string> names;
  for (const TensorInfo& info : file.arrays()) {
    if (info.name != kLabelsArray) names.push_back(info.name);
  }
  return file.read(names);
}

void write_arrays(CheckpointWriter& writer, std::span<const NamedArray> arrays) {
  const auto is_wide = [](const NamedArray& array) { return array.info.dtype == DType::kBFloat16; };
  for (const NamedArray& array : arrays) {
    TensorInfo info = array.info;
    if (is_wide(array)) info.dtype = DType::kFloat32;
    writer.add(info);
  }
  for (const NamedArray& array : arrays) {
    if (array.values.empty()) continue;
    if (is_wide(array)) {
      writer.write(encode_reals(DType::kFloat32, decode_reals(array.info.dtype, array.values)));
    } else {
      writer.write(array.values);
    }
  }
  writer.finish();
}

std::vector<TensorInspection> inspect_arrays(std::span<const NamedArray> arrays) {
  return inspect_checkpoint(ArrayReader(arrays), true);
}

std::vector<NamedArray> random_inputs(const CheckpointReader& network,
                                      const std::string& model_name,
                                      const std::map<std::string, Shape>& shapes,
                                      std::uint64_t seed) {
  const RunnableNetwork runnable(network, model_name, {});
  const Graph& graph = runnable.graph();
  check_names(shapes, graph);
  std::vector<NamedArray> arrays;
  for (const ValueId id : graph.inputs) {
    const Value& input = graph.value(id);
    const Shape shape = random_shape(input, shapes);
    if (element_count(shape) > kMostElements) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("the input {} of shape {} has more than {} elements", input.name,
                              to_string(shape), kMostElements));
    }
    NamedArray& array = arrays.emplace_back();
    array.info.name = input.name;
    array.info.dtype = input.type;
    array.info.shape = shape;
    array.values = random_values(input.type, input.name, element_count(shape), seed);
  }
  return arrays;
}

}  // namespace narrow
