// Steps that move codes, or look them up.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "graph/matchers.h"
#include "graph/operators.h"
#include "nn/c_network/step_writer.h"
#include "nn/integer/code_tables.h"

namespace narrow::c_network {
namespace {

// What a value has in memory: strides by axis of the graph, in elements.
std::vector<std::int64_t> strides_of(const Shape& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  if (shape.size() == 4) {
    strides = {shape[1] * shape[2] * shape[3], 1, shape[3] * shape[1], shape[1]};
  }
  return strides;
}

// Whether the elements lie in the order of the graph.
bool lies_row_major(const Shape& shape) {
  return shape.size() != 4 || shape[1] == 1 || shape[2] * shape[3] == 1;
}

}  // namespace

void StepWriter::write_table(const Step& step, std::size_t operand,
                             const std::vector<std::int32_t>& table, const IntegerFormat& to,
                             BufferId result) {
  const ValueId x = step.step.inputs[operand];
  const IntegerFormat& from = *graph_.format(x);
  std::vector<std::int64_t> codes;
  for (const std::int32_t code : table) codes.push_back(code + to.zero);
  const ElementType type = element_type_of(to);
  const std::string name = fmt::format("{}_table{}", step.name, operand);
  source_.add_array(type, name + "_codes", codes);
  source_.add_layer("table_layer", name,
                    fmt::format(".count = {}, .first = {}, .codes = {}_codes",
                                count_of(shape_of(x)), from.least + from.zero, name));
  source_.add_call(table_kernel(element_type_of(from), type), name, {places_.at(x)}, result,
                   step.comment);
}

void StepWriter::write_copy(const Step& step, const std::string& suffix, const Copy& copy,
                            BufferId x, BufferId y) {
  const auto four = [](const std::vector<std::int64_t>& numbers, std::int64_t rest) {
    std::vector<std::int64_t> all(4 - numbers.size(), rest);
    all.insert(all.end(), numbers.begin(), numbers.end());
    return all;
  };
  const auto sizes = four(copy.sizes, 1);
  const auto from = four(copy.from, 0);
  const auto to = four(copy.to, 0);
  const std::string name = step.name + suffix;
  source_.add_layer("copy_layer", name,
                    fmt::format("\n  .sizes = {{{}}}, .from = {{{}, 0}}, .to = {{{}, {}}}\n",
                                fmt::join(sizes, ", "), fmt::join(from, ", "), fmt::join(to, ", "),
                                copy.to_offset));
  source_.add_call(copy_kernel(source_.buffer(y).type), name, {x}, y, step.comment);
}

// Operands in another format are looked up first.
void StepWriter::write_move(const Step& step) {
  const IntegerFormat& to = *graph_.format(step.step.output);
  const std::vector<CodeTable> tables = step_tables(graph_, step.step);
  std::vector<BufferId> x;
  for (std::size_t i = 0; i < step.step.inputs.size(); ++i) {
    const ValueId id = step.step.inputs[i];
    const bool has_type = element_type_of(*graph_.format(id)) == element_type_of(to);
    if (tables[i].empty() && has_type) {
      x.push_back(places_.at(id));
      continue;
    }
    const BufferId looked_up = source_.add_buffer(
        {element_type_of(to), static_cast<std::uint64_t>(count_of(shape_of(id))), ""});
    const CodeTable table = tables[i].empty() ? moved_codes(graph_, step.step, i) : tables[i];
    write_table(step, i, table, to, looked_up);
    x.push_back(looked_up);
  }
  if (is_any<op::MaxPool, op::GlobalMaxPool>(step.node)) {
    // Where a window has padding alone, the least code of the operand comes out.
    return write_largest(step, x[0], tables[0].empty() ? *graph_.format(step.step.inputs[0]) : to);
  }
  if (is_any<op::Concat>(step.node)) return write_concat(step, x);
  if (is_any<op::Transpose>(step.node)) return write_transpose(step, x[0]);
  if (is_any<op::Identity, op::Reshape, op::Flatten, op::Squeeze, op::Unsqueeze>(step.node)) {
    return write_reshape(step, x[0]);
  }
  refuse_step(fmt::format("{} on codes, which C does not have here", operator_of(step.node).name));
}

void StepWriter::write_largest(const Step& step, BufferId x, const IntegerFormat& least) {
  const Shape from = shape_of(step.step.inputs[0]);
  const auto* const pool = std::get_if<op::MaxPool>(&step.node.attributes);
  const Window window = pool != nullptr ? pool->window : whole_image(from);
  const WindowFields places = window_fields(window, from, pool != nullptr && pool->ceil_mode);
  const IntegerFormat& to = *graph_.format(step.step.output);
  source_.add_layer(
      "window_layer", step.name,
      places.text + fmt::format("\n  .to = {{{}}}\n", format_fields(step.name, {}, least)));
  source_.add_call(largest_kernel(element_type_of(to)), step.name, {x}, result_of(step),
                   step.comment);
}

void StepWriter::write_concat(const Step& step, const std::vector<BufferId>& x) {
  const auto& concat = std::get<op::Concat>(step.node.attributes);
  const Shape whole = shape_of(step.step.output);
  if (whole.size() > 4) refuse_step("a value of more than four axes");
  const std::vector<std::int64_t> to = strides_of(whole);
  const auto rank = static_cast<std::int64_t>(whole.size());
  const auto axis = static_cast<std::size_t>(concat.axis < 0 ? concat.axis + rank : concat.axis);
  const BufferId y = result_of(step);
  std::int64_t first = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Shape part = shape_of(step.step.inputs[i]);
    write_copy(step, fmt::format("_part{}", i), {part, strides_of(part), to, first * to[axis]},
               x[i], y);
    first += part[axis];
  }
}

void StepWriter::write_transpose(const Step& step, BufferId x) {
  const auto& transpose = std::get<op::Transpose>(step.node.attributes);
  const Shape from = shape_of(step.step.inputs[0]);
  const Shape to = shape_of(step.step.output);
  if (from.size() > 4) refuse_step("a value of more than four axes");
  const std::vector<std::int64_t> strides = strides_of(from);
  Copy copy = {to, {}, strides_of(to)};
  for (std::size_t i = 0; i < to.size(); ++i) {
    const std::size_t axis =
        transpose.order.empty() ? to.size() - 1 - i : static_cast<std::size_t>(transpose.order[i]);
    copy.from.push_back(strides[axis]);
  }
  write_copy(step, "", copy, x, result_of(step));
}

// Elements keep their order in the graph, which is not that of images in memory.
void StepWriter::write_reshape(const Step& step, BufferId x) {
  const Shape from = shape_of(step.step.inputs[0]);
  const Shape to = shape_of(step.step.output);
  const std::int64_t count = count_of(from);
  const bool stays = from == to || (lies_row_major(from) && lies_row_major(to));
  if (stays) {
    if (!has_place(step.step.output)) {
      places_[step.step.output] = x;  // nothing moves
    } else {
      write_copy(step, "", {{count}, {1}, {1}}, x, result_of(step));
    }
    return;
  }
  const auto channels_and_pixels = [](const Shape& image) {
    return Shape{image[0], image[1], image[2] * image[3]};
  };
  const auto row_major = [](const Shape& sizes) {
    return std::vector<std::int64_t>{sizes[1] * sizes[2], sizes[2], 1};
  };
  const auto channels_last = [](const Shape& sizes) {
    return std::vector<std::int64_t>{sizes[1] * sizes[2], 1, sizes[1]};
  };
  if (!lies_row_major(from)) {
    const Shape sizes = channels_and_pixels(from);
    const bool is_last = lies_row_major(to);
    const BufferId rows =
        is_last
            ? result_of(step)
            : source_.add_buffer({source_.buffer(x).type, static_cast<std::uint64_t>(count), ""});
    write_copy(step, is_last ? "" : "_rows", {sizes, channels_last(sizes), row_major(sizes)}, x,
               rows);
    if (is_last) return;
    x = rows;
  }
  const Shape sizes = channels_and_pixels(to);
  write_copy(step, "", {sizes, row_major(sizes), channels_last(sizes)}, x, result_of(step));
}

}  // namespace narrow::c_network
