#include "nn/inference/program_values.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <tuple>
#include <utility>

#include "graph/constants.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

using dnnl::memory;
using Tag = dnnl::memory::format_tag;

Tag blocked_tag(std::size_t rank) {
  const bool wide = activation_channel_block() == 16;
  if (rank == 3) return wide ? Tag::nCw16c : Tag::nCw8c;
  if (rank == 4) return activation_format();
  return wide ? Tag::nCdhw16c : Tag::nCdhw8c;
}

}  // namespace

memory::desc plain_desc(const Shape& shape) {
  if (shape.empty()) return {memory::dims{1}, memory::data_type::f32, memory::dims{1}};
  memory::dims strides(shape.size(), 1);
  for (std::size_t i = shape.size() - 1; i > 0; --i) {
    strides[i - 1] = strides[i] * std::max<std::int64_t>(shape[i], 1);
  }
  return {memory::dims(shape.begin(), shape.end()), memory::data_type::f32, strides};
}

memory::desc blocked_desc(const Shape& shape) {
  return float_desc({shape.begin(), shape.end()}, blocked_tag(shape.size()));
}

bool can_be_blocked(const Shape& shape) { return shape.size() >= 3 && shape.size() <= 5; }

memory::desc desc_of(const HeldValue& value) {
  return value.blocked ? blocked_desc(value.shape) : plain_desc(value.shape);
}

Shape axes_in_memory(const HeldValue& value) {
  if (!value.blocked) return value.shape;
  const std::int64_t block = activation_channel_block();
  Shape axes = value.shape;
  axes[1] = (axes[1] + block - 1) / block;
  axes.push_back(block);
  return axes;
}

StepArgument argument(const HeldValue& value, int role) {
  StepArgument result{role, {}, value.buffer, {}};
  if (value.type == DType::kFloat32) result.desc = desc_of(value);
  return result;
}

std::vector<float> as_floats(const ReferenceTensor& x) {
  std::vector<float> floats(x.size());
  std::ranges::transform(x.values, floats.begin(),
                         [](double value) { return static_cast<float>(value); });
  return floats;
}

ProgramValues::ProgramValues(const Graph& graph, FactTable facts, ReadWeight read_weight)
    : graph_(graph),
      facts_(std::move(facts)),
      read_weight_(std::move(read_weight)),
      builder_(1),
      held_(graph.values.size()),
      converted_(graph.values.size()),
      constants_(graph.values.size()),
      last_use_(graph.values.size(), -1) {}

std::optional<Shape> ProgramValues::shape_of(ValueId id) const {
  Shape shape;
  for (const Dimension& dimension : fact(id).dimensions) {
    if (dimension.is_free()) return std::nullopt;
    shape.push_back(dimension.size);
  }
  return shape;
}

bool ProgramValues::is_array(ValueId id, DType type) const {
  const std::optional<Shape> shape = shape_of(id);
  return type_of(id) == type && shape && element_count(*shape) > 0 && held(id).loose < 0;
}

const HeldValue& ProgramValues::at(ValueId id) {
  std::ignore = stored(id);
  return held(id);
}

bool ProgramValues::is_stored(ValueId id) const {
  return graph_.is_stored(id) || held(id).stored != nullptr;
}

std::shared_ptr<const ReferenceTensor> ProgramValues::stored(ValueId id) {
  if (held(id).stored == nullptr) {
    if (const Weight* const weight = graph_.weight_of(id)) {
      define_stored(id, used_weight(*weight, ReferenceTensor::of(read_weight_(*weight))));
    } else if (const Constant* const constant = graph_.constant_of(id)) {
      define_stored(id, ReferenceTensor::of(*constant));
    }
  }
  return held(id).stored;
}

std::vector<float> ProgramValues::stored_floats(ValueId id) {
  const Weight* const weight = graph_.weight_of(id);
  if (weight == nullptr || held(id).stored != nullptr || weight->type != DType::kFloat32) {
    return as_floats(*stored(id));
  }
  std::vector<float> floats;
  {
    const GraphArray array = read_weight_(*weight);
    if (array.type != DType::kFloat32) {
      return as_floats(used_weight(*weight, ReferenceTensor::of(array)));
    }
    check(array);
    floats.resize(array.bytes.size() / sizeof(float));
    std::memcpy(floats.data(), array.bytes.data(), array.bytes.size());
  }
  if (weight->layout == WeightLayout::kAsUsed) return floats;
  return ordered_as_used(*weight, floats);
}

void ProgramValues::forget_weights(const Node& node) {
  for (const ValueId id : node.inputs) {
    if (id != kNoValue && graph_.weight_of(id) != nullptr) held_[static_cast<std::size_t>(id)] = {};
  }
}

HeldValue ProgramValues::reordered(const HeldValue& value, const StepArgument& from, bool blocked) {
  HeldValue result = {value.type, value.shape, blocked, -1, -1, nullptr};
  const memory::desc to = desc_of(result);
  result.buffer = builder_.new_buffer(to.get_size());
  const dnnl::reorder::primitive_desc primitive(engine(), from.desc, engine(), to,
                                                shared_primitive_attributes());
  builder_.add_primitive(dnnl::reorder(primitive), primitive.scratchpad_desc(),
                         {from, argument(result, DNNL_ARG_TO)});
  return result;
}

HeldValue ProgramValues::plain(ValueId id) {
  const HeldValue& value = at(id);
  if (!value.blocked) return value;
  HeldValue& converted = converted_[static_cast<std::size_t>(id)];
  if (!converted.is_there()) {
    converted = reordered(value, argument(value, DNNL_ARG_FROM), false);
  }
  return converted;
}

HeldValue ProgramValues::blocked(ValueId id) {
  const HeldValue& value = at(id);
  if (value.blocked) return value;
  HeldValue& converted = converted_[static_cast<std::size_t>(id)];
  if (!converted.is_there()) {
    converted = reordered(value, plain_argument(id, DNNL_ARG_FROM), true);
  }
  return converted;
}

StepArgument ProgramValues::plain_argument(ValueId id, int role) {
  const HeldValue value = plain(id);
  if (value.stored == nullptr) return argument(value, role);
  memory& constant = constants_[static_cast<std::size_t>(id)];
  if (!constant) constant = builder_.constant(value.stored->as_constant().bytes);
  StepArgument result{role, {}, -1, constant};
  if (value.type == DType::kFloat32) {
    result.desc = desc_of(value);
    result.constant = memory(result.desc, engine(), constant.get_data_handle());
  }
  return result;
}

ArrayPlace ProgramValues::place(ValueId id) {
  const HeldValue value = plain(id);
  return {value.type, value.shape, value.buffer, value.loose, value.stored};
}

HeldValue ProgramValues::define(ValueId id, bool blocked) {
  HeldValue value = {type_of(id), *shape_of(id), blocked, -1, -1, nullptr};
  const std::size_t bytes =
      blocked ? blocked_desc(value.shape).get_size()
              : static_cast<std::size_t>(element_count(value.shape)) * element_size(value.type);
  value.buffer = builder_.new_buffer(bytes);
  define_view(id, value);
  return value;
}

void ProgramValues::define_view(ValueId id, HeldValue of) {
  of.shape = *shape_of(id);
  held_[static_cast<std::size_t>(id)] = std::move(of);
}

void ProgramValues::define_stored(ValueId id, ReferenceTensor elements) {
  HeldValue value = {elements.type, elements.shape, false, -1, -1, nullptr};
  value.stored = std::make_shared<const ReferenceTensor>(std::move(elements));
  held_[static_cast<std::size_t>(id)] = std::move(value);
}

void ProgramValues::define_input(ValueId id) {
  define(id);
  set_last_use(id, std::numeric_limits<int>::max());
}

void ProgramValues::define_loose(ValueId id) {
  held_[static_cast<std::size_t>(id)] = {type_of(id), {}, false, -1, builder_.new_loose(), nullptr};
}

void ProgramValues::set_last_use(ValueId id, int position) {
  int& last = last_use_[static_cast<std::size_t>(id)];
  last = std::max(last, position);
}

bool ProgramValues::is_free_after(const HeldValue& value, int position) const {
  if (value.buffer < 0) return false;
  for (std::size_t id = 0; id < held_.size(); ++id) {
    if (held_[id].buffer == value.buffer && last_use_[id] > position) return false;
    if (converted_[id].buffer == value.buffer && last_use_[id] > position) return false;
  }
  return true;
}

InferenceProgram ProgramValues::finish() {
  std::vector<ArrayPlace> inputs;
  std::vector<ArrayPlace> outputs;
  for (const ValueId id : graph_.inputs) inputs.push_back(place(id));
  for (const ValueId id : graph_.outputs) outputs.push_back(place(id));
  return builder_.finish(std::move(inputs), std::move(outputs));
}

}  // namespace narrow
