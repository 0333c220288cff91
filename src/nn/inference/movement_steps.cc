// What moves elements of any type without computing with them.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>

#include "graph/rules/fact_rules.h"
#include "graph/rules/slice.h"
#include "nn/inference/native_steps.h"
#include "nn/inference/strided_copy.h"

namespace narrow {
namespace {

using Axis = StridedCopy::Axis;

class Mover {
 public:
  Mover(ProgramValues& values, const Node& node)
      : values_(values), node_(node), type_(values.type_of(node.output())) {}

  bool add() {
    if (const auto* transpose = std::get_if<op::Transpose>(&node_.attributes)) {
      return add_transpose(*transpose);
    }
    if (const auto* concat = std::get_if<op::Concat>(&node_.attributes)) return add_concat(*concat);
    if (const auto* split = std::get_if<op::Split>(&node_.attributes)) return add_split(*split);
    if (std::holds_alternative<op::Slice>(node_.attributes)) return add_slice();
    if (std::holds_alternative<op::Expand>(node_.attributes)) return add_expand();
    if (std::holds_alternative<op::Tile>(node_.attributes)) return add_tile();
    if (const auto* gather = std::get_if<op::Gather>(&node_.attributes)) return add_gather(*gather);
    if (const auto* blocks = std::get_if<op::DepthToSpace>(&node_.attributes)) {
      return add_depth_to_space(*blocks);
    }
    if (const auto* blocks = std::get_if<op::SpaceToDepth>(&node_.attributes)) {
      return add_space_to_depth(*blocks);
    }
    return false;
  }

 private:
  [[nodiscard]] Shape shape(ValueId id) const { return *values_.shape_of(id); }

  // From x to y, both row-major in the graph's order.
  bool add_copy(StridedCopy copy) {
    copy.element_size = element_size(type_);
    copy.simplify();
    const StepArgument from = values_.plain_argument(node_.inputs[0]);
    const HeldValue y = values_.define(node_.output());
    values_.builder().add_function(
        [copy](std::span<float* const> places) {
          copy.run(bytes_at(places[0]), bytes_at(places[1]));
        },
        {from, argument(y)});
    return true;
  }

  // By axis of the result: how x moves.
  bool add_copy(const std::vector<std::int64_t>& from, std::int64_t first_from = 0) {
    const Shape y = shape(node_.output());
    const std::vector<std::int64_t> to = row_major_strides(y);
    StridedCopy copy;
    for (std::size_t i = 0; i < y.size(); ++i) copy.axes.push_back({y[i], from[i], to[i]});
    copy.first_from = first_from;
    return add_copy(std::move(copy));
  }

  bool add_transpose(const op::Transpose& transpose) {
    const Shape x = shape(node_.inputs[0]);
    const std::vector<std::int64_t> strides = row_major_strides(x);
    std::vector<std::int64_t> from;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t axis =
          transpose.order.empty() ? x.size() - 1 - i : axis_of(transpose.order[i], x.size());
      from.push_back(strides[axis]);
    }
    return add_copy(from);
  }

  // Values whose channels fill blocks stay in them; others are joined row-major.
  bool add_concat(const op::Concat& concat) {
    Shape y = shape(node_.output());
    const std::size_t axis = axis_of(concat.axis, y.size());
    const bool blocked =
        std::ranges::all_of(node_.inputs,
                            [&](ValueId id) {
                              return can_be_blocked(y) && type_ == DType::kFloat32 &&
                                     values_.is_array(id) && !values_.is_stored(id) &&
                                     shape(id)[1] % activation_channel_block() == 0;
                            }) &&
        std::ranges::any_of(node_.inputs, [&](ValueId id) { return values_.is_blocked(id); });
    std::vector<StepArgument> arguments;
    std::vector<Shape> parts;
    for (const ValueId id : node_.inputs) {
      if (!values_.is_array(id, type_)) return false;
    }
    for (const ValueId id : node_.inputs) {
      if (blocked) {
        const HeldValue held = values_.blocked(id);
        arguments.push_back(argument(held));
        parts.push_back(axes_in_memory(held));
      } else {
        arguments.push_back(values_.plain_argument(id));
        parts.push_back(shape(id));
      }
    }
    const HeldValue result = values_.define(node_.output(), blocked);
    arguments.push_back(argument(result));
    y = axes_in_memory(result);
    const std::size_t inner =
        element_size(type_) *
        static_cast<std::size_t>(std::accumulate(y.begin() + static_cast<std::ptrdiff_t>(axis) + 1,
                                                 y.end(), std::int64_t{1}, std::multiplies<>()));
    std::vector<std::size_t> lines;
    for (const Shape& part : parts) lines.push_back(inner * static_cast<std::size_t>(part[axis]));
    const std::size_t line = inner * static_cast<std::size_t>(y[axis]);
    const std::size_t count =
        static_cast<std::size_t>(element_count(y)) * element_size(type_) / line;
    values_.builder().add_function(
        [=](std::span<float* const> places) {
          std::byte* to = bytes_at(places.back());
          for (std::size_t row = 0; row < count; ++row) {
            for (std::size_t i = 0; i < lines.size(); ++i) {
              std::memcpy(to, bytes_at(places[i]) + row * lines[i], lines[i]);
              to += lines[i];
            }
          }
        },
        std::move(arguments));
    return true;
  }

  bool add_split(const op::Split& split) {
    const Shape x = shape(node_.inputs[0]);
    const std::size_t axis = axis_of(split.axis, x.size());
    if (std::ranges::count(node_.outputs, kNoValue) > 0) return false;
    const StepArgument from = values_.plain_argument(node_.inputs[0]);
    const std::vector<std::int64_t> strides = row_major_strides(x);
    std::int64_t first = 0;
    for (const ValueId id : node_.outputs) {
      const Shape y = shape(id);
      const std::vector<std::int64_t> to = row_major_strides(y);
      StridedCopy copy;
      for (std::size_t i = 0; i < y.size(); ++i) copy.axes.push_back({y[i], strides[i], to[i]});
      copy.first_from = first * strides[axis];
      copy.element_size = element_size(type_);
      copy.simplify();
      values_.define(id);
      values_.builder().add_function(
          [copy](std::span<float* const> places) {
            copy.run(bytes_at(places[0]), bytes_at(places[1]));
          },
          {from, argument(values_.at(id))});
      first += y[axis];
    }
    return true;
  }

  // The elements of an input that must be known; nothing when it is not.
  std::optional<std::vector<std::int64_t>> integers(std::size_t index) {
    if (index >= node_.inputs.size() || node_.inputs[index] == kNoValue) return std::nullopt;
    if (!values_.is_stored(node_.inputs[index])) return std::nullopt;
    return values_.stored(node_.inputs[index])->integers;
  }
  [[nodiscard]] bool has_input(std::size_t index) const {
    return index < node_.inputs.size() && node_.inputs[index] != kNoValue;
  }

  bool add_slice() {
    const Shape x = shape(node_.inputs[0]);
    const auto starts = integers(1);
    const auto ends = integers(2);
    const auto axes = integers(3);
    const auto steps = integers(4);
    if (!starts || !ends || (has_input(3) && !axes) || (has_input(4) && !steps)) return false;
    std::vector<std::int64_t> from = row_major_strides(x);
    std::int64_t first = 0;
    for (std::size_t i = 0; i < starts->size(); ++i) {
      const std::size_t axis = axes ? axis_of((*axes)[i], x.size()) : i;
      const SlicedAxis taken =
          sliced_axis(x[axis], (*starts)[i], (*ends)[i], steps ? (*steps)[i] : 1);
      first += taken.first * from[axis];
      from[axis] *= taken.step;
    }
    return add_copy(from, first);
  }

  bool add_expand() {
    Shape x = shape(node_.inputs[0]);
    const Shape y = shape(node_.output());
    x.insert(x.begin(), y.size() - x.size(), 1);
    std::vector<std::int64_t> from = row_major_strides(x);
    for (std::size_t i = 0; i < y.size(); ++i) {
      if (x[i] == 1) from[i] = 0;
    }
    return add_copy(from);
  }

  bool add_tile() {
    const Shape x = shape(node_.inputs[0]);
    const Shape y = shape(node_.output());
    const std::vector<std::int64_t> from = row_major_strides(x);
    const std::vector<std::int64_t> to = row_major_strides(y);
    StridedCopy copy;
    for (std::size_t i = 0; i < x.size(); ++i) {
      copy.axes.push_back({y[i] / x[i], 0, to[i] * x[i]});
      copy.axes.push_back({x[i], from[i], to[i]});
    }
    return add_copy(std::move(copy));
  }

  bool add_gather(const op::Gather& gather) {
    const DType index_type = values_.type_of(node_.inputs[1]);
    if (index_type != DType::kInt64 && index_type != DType::kInt32) return false;
    if (!values_.is_array(node_.inputs[1], index_type)) return false;
    const Shape x = shape(node_.inputs[0]);
    const std::size_t axis = axis_of(gather.axis, x.size());
    std::size_t outer = 1;
    std::size_t inner = element_size(type_);
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (i != axis) (i < axis ? outer : inner) *= static_cast<std::size_t>(x[i]);
    }
    const std::int64_t size = x[axis];
    const auto count = static_cast<std::size_t>(element_count(shape(node_.inputs[1])));
    const bool is_wide = index_type == DType::kInt64;
    const StepArgument from = values_.plain_argument(node_.inputs[0]);
    const StepArgument indices = values_.plain_argument(node_.inputs[1]);
    values_.builder().add_function(
        [=](std::span<float* const> places) {
          std::byte* to = bytes_at(places[2]);
          for (std::size_t o = 0; o < outer; ++o) {
            for (std::size_t i = 0; i < count; ++i, to += inner) {
              std::int64_t index =
                  is_wide ? reinterpret_cast<const std::int64_t*>(places[1])[i]
                          : std::int64_t{reinterpret_cast<const std::int32_t*>(places[1])[i]};
              if (index < 0) index += size;
              if (index < 0 || index >= size) {
                refuse_inputs("an index lies outside of the axis that is gathered from");
              }
              const std::size_t row =
                  o * static_cast<std::size_t>(size) + static_cast<std::size_t>(index);
              std::memcpy(to, bytes_at(places[0]) + row * inner, inner);
            }
          }
        },
        {from, indices, argument(values_.define(node_.output()))});
    return true;
  }

  // x [N, C, H, W] seen with six axes, in the order of the result's.
  bool add_blocks(const Shape& parts, const std::vector<std::size_t>& order) {
    const std::vector<std::int64_t> strides = row_major_strides(parts);
    Shape y;
    for (const std::size_t axis : order) y.push_back(parts[axis]);
    const std::vector<std::int64_t> to = row_major_strides(y);
    StridedCopy copy;
    for (std::size_t i = 0; i < order.size(); ++i) {
      copy.axes.push_back({y[i], strides[order[i]], to[i]});
    }
    return add_copy(std::move(copy));
  }

  bool add_depth_to_space(const op::DepthToSpace& blocks) {
    const Shape x = shape(node_.inputs[0]);
    const std::int64_t b = blocks.block;
    const std::int64_t depth = x[1] / (b * b);
    if (blocks.column_row_depth) {
      return add_blocks({x[0], depth, b, b, x[2], x[3]}, {0, 1, 4, 2, 5, 3});
    }
    return add_blocks({x[0], b, b, depth, x[2], x[3]}, {0, 3, 4, 1, 5, 2});
  }

  bool add_space_to_depth(const op::SpaceToDepth& blocks) {
    const Shape x = shape(node_.inputs[0]);
    const std::int64_t b = blocks.block;
    return add_blocks({x[0], x[1], x[2] / b, b, x[3] / b, b}, {0, 3, 5, 1, 2, 4});
  }

  ProgramValues& values_;
  const Node& node_;
  DType type_;
};

}  // namespace

bool moves_whole_elements(const ProgramValues& values, const Node& node) {
  const DType type = values.type_of(node.output());
  const std::size_t bytes = element_size(type);
  return bytes != 0 && (bytes & (bytes - 1)) == 0 && bytes <= sizeof(std::int64_t) &&
         values.is_array(node.inputs[0], type);
}

bool add_movement_step(ProgramValues& values, const Node& node) {
  return moves_whole_elements(values, node) && Mover(values, node).add();
}

}  // namespace narrow
