#include "nn/c_network/step_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "graph/matchers.h"
#include "graph/operators.h"
#include "narrow/error.h"
#include "nn/integer/code_tables.h"

namespace narrow::c_network {
namespace {

// factor = mantissa * 2^exponent, mantissa of 24 bits.
struct FloatParts {
  std::int64_t mantissa = 0;
  int exponent = 0;
};

FloatParts float_parts(float number) {
  constexpr int kMantissaBits = 24;
  constexpr int kMostExponent = 100;
  if (!std::isfinite(number)) refuse_step("a factor of its sums is not finite");
  int exponent = 0;
  const float share = std::frexp(number, &exponent);
  exponent -= kMantissaBits;
  if (number < 0) refuse_step("a factor of its sums is below zero");
  if (exponent > kMostExponent) refuse_step("a factor of its sums is 2^100 or more");
  // Sums of 53 bits by less are less than half a code.
  if (exponent < -kMostExponent) return {};
  return {static_cast<std::int64_t>(std::ldexp(share, kMantissaBits)), exponent};
}

// Of one pool.
constexpr std::int64_t kMostMeans = 4096;
constexpr std::int64_t kMostElements = std::numeric_limits<std::int32_t>::max();

}  // namespace

void refuse_step(const std::string& why) { throw Error(ErrorCategory::kUnsupported, why); }

std::int64_t count_of(const Shape& shape) {
  return static_cast<std::int64_t>(element_count(shape));
}

WindowFields window_fields(const Window& window, const Shape& x, bool ceil_mode) {
  if (x.size() != 4 || window.rank() != 2) {
    refuse_step(fmt::format("a window of {} axes, expected images with two", window.rank()));
  }
  WindowFields fields;
  fields.rows = window_places(window, 0, x[2], ceil_mode);
  fields.columns = window_places(window, 1, x[3], ceil_mode);
  fields.text = fmt::format(
      "\n  .height = {}, .width = {}, .channels = {}, .out_height = {}, .out_width = {},\n"
      "  .kernel_height = {}, .kernel_width = {}, .stride_y = {}, .stride_x = {},\n"
      "  .dilation_y = {}, .dilation_x = {}, .before_y = {}, .before_x = {},",
      x[2], x[3], x[1], fields.rows.count, fields.columns.count, window.kernel[0], window.kernel[1],
      window.strides[0], window.strides[1], window.dilations[0], window.dilations[1],
      fields.rows.before, fields.columns.before);
  return fields;
}

Window whole_image(const Shape& x) {
  if (x.size() != 4) refuse_step("a pool of other than two axes");
  Window window = square_window(1, 1);
  window.kernel = {x[2], x[3]};
  return window;
}

ElementType element_type_of(const IntegerFormat& format) {
  switch (format.type) {
    case DType::kUInt8:
      return kU8;
    case DType::kInt8:
      return kS8;
    case DType::kUInt16:
      return kU16;
    case DType::kInt16:
      return kS16;
    default:
      refuse_step(fmt::format("codes of {}, expected 8 or 16 bits", to_string(format.type)));
  }
}

ElementType sum_type_of(const IntegerLinear& linear) {
  constexpr std::int64_t kMostNarrow = std::int64_t{1} << 30;
  const auto is_narrow = [](std::int64_t value) { return std::abs(value) < kMostNarrow; };
  const SumBounds& bounds = linear.bounds();
  const bool fits = is_narrow(bounds.least) && is_narrow(bounds.greatest) &&
                    std::ranges::all_of(linear.biases(), is_narrow);
  return fits ? kS32 : kS64;
}

Shape StepWriter::shape_of(ValueId id) const {
  Shape shape;
  for (const Dimension& dimension : facts_[static_cast<std::size_t>(id)].dimensions) {
    shape.push_back(dimension.size);
  }
  const bool has_free = std::ranges::any_of(shape, [](std::int64_t size) { return size < 0; });
  if (!has_free && shape.size() == 4 && shape[0] != 1) {
    refuse_step(fmt::format("the value {} of {}, expected one example",
                            graph_.graph().value(id).name, to_string(shape)));
  }
  if (has_free || count_of(shape) == 0 || count_of(shape) > kMostElements) {
    refuse_step(fmt::format(
        "the value {} of {}, expected sizes that are known and 1 to 2^31 - 1 "
        "elements",
        graph_.graph().value(id).name, to_string(facts_[static_cast<std::size_t>(id)].dimensions)));
  }
  return shape;
}

void StepWriter::write(const QuantizedStep& quantized, const std::string& name) {
  const Node& node = quantized.node(graph_.graph());
  const Step step = {quantized, node, name,
                     fmt::format("{} {}", operator_of(node).name, node.name)};
  switch (quantized.kind) {
    case StepKind::kLinear:
      return write_linear(step);
    case StepKind::kAdd:
      return write_add(step);
    case StepKind::kMul:
      return write_product(step);
    case StepKind::kMean:
      return write_mean(step);
    case StepKind::kTable:
      return write_table(step, 0, step_tables(graph_, quantized)[0],
                         *graph_.format(quantized.output), result_of(step));
    case StepKind::kMove:
      return write_move(step);
    default:
      refuse_step("products of two values that are computed, which C does not have here");
  }
}

void StepWriter::write_quantized(ValueId from, ValueId to, const std::string& name) {
  QuantizedStep quantized;
  quantized.kind = StepKind::kTable;
  quantized.inputs = {from};
  quantized.output = to;
  quantized.nodes = {0};
  const Step step = {quantized, quantized.node(graph_.graph()), name,
                     "codes of " + graph_.graph().value(to).name};
  // QuantizeLinear has one meaning in every arithmetic.
  IntegerFormat format = *graph_.format(to);
  format.arithmetic = {};
  write_table(step, 0, requantizing_table(*graph_.format(from), format), format, result_of(step));
}

BufferId StepWriter::result_of(const Step& step) {
  const ValueId id = step.step.output;
  const auto known = places_.find(id);
  if (known != places_.end()) return known->second;
  const BufferId buffer =
      source_.add_buffer({element_type_of(*graph_.format(id)),
                          static_cast<std::uint64_t>(count_of(shape_of(id))), ""});
  places_[id] = buffer;
  return buffer;
}

std::string StepWriter::format_fields(const std::string& name,
                                      std::span<const Requantization> requantizations,
                                      const IntegerFormat& format) {
  std::vector<std::int64_t> factors;
  std::vector<std::int64_t> shifts;
  std::string fields;
  for (const Requantization& requantization : requantizations) {
    for (const float factor : requantization.factors()) {
      const FloatParts parts = float_parts(factor);
      factors.push_back(parts.mantissa);
      shifts.push_back(parts.exponent);
    }
    for (const FixedMultiplier& multiplier : requantization.multipliers()) {
      factors.push_back(multiplier.multiplier);
      shifts.push_back(std::min(multiplier.shift, 32));  // more saturates as much
    }
    if (factors.empty()) {
      shifts.assign(requantization.shifts().begin(), requantization.shifts().end());
    }
  }
  if (!requantizations.empty()) {
    if (!factors.empty()) {
      source_.add_array(kS32, name + "_factors", factors);
      fields += fmt::format(".factors = {}_factors, ", name);
    }
    source_.add_array(kS8, name + "_shifts", shifts);
    fields += fmt::format(".shifts = {}_shifts, ", name);
  }
  fields += fmt::format(".per_channel = {}, .least = {}, .greatest = {}, .zero = {}",
                        shifts.size() > 1 ? 1 : 0, format.least, format.greatest, format.zero);
  const Overflow overflow = format.arithmetic.overflow;
  if (overflow == Overflow::kZero || overflow == Overflow::kWrap) {
    const auto bound = [](std::int64_t value) {
      if (value == std::numeric_limits<std::int64_t>::min()) return std::string("INT64_MIN");
      return fmt::format("INT64_C({})", value);
    };
    fields += fmt::format(",\n    .bound_least = {}, .bound_greatest = {}",
                          bound(format.bound_least), bound(format.bound_greatest));
  }
  return fields;
}

void StepWriter::write_linear(const Step& step) {
  const IntegerLinear linear(graph_, step.step, CodeWidth::kLong);
  const LinearSizes& sizes = linear.sizes();
  const ValueId x = step.step.inputs[0];
  const Shape from = shape_of(x);
  if (is_any<op::ConvTranspose>(step.node)) refuse_step("a transposed convolution");
  Window window = square_window(1, 1);
  Shape image = from;
  if (sizes.is_rows()) {
    const bool is_matrix = from.size() != 4 && graph_.stored_rank(step.node.inputs[1]) == 2U;
    if (!is_matrix) refuse_step("a product of matrices of four axes");
    const auto columns = static_cast<std::int64_t>(sizes.in_channels);
    image = {1, columns, 1, count_of(from) / columns};
  } else {
    window = sizes.window;
  }
  const WindowFields places = window_fields(window, image, false);
  // [out][taps][in of a group]
  const std::size_t taps = sizes.taps();
  const std::size_t depth = sizes.in_channels / static_cast<std::size_t>(sizes.groups);
  std::vector<std::int64_t> weights(linear.weights().size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const std::size_t tap = i % taps;
    const std::size_t in = i / taps % depth;
    weights[(i / (taps * depth) * taps + tap) * depth + in] = linear.weights()[i];
  }
  const ElementType sum = sum_type_of(linear);
  constexpr std::int64_t kMostWeight = std::numeric_limits<std::int16_t>::max();
  for (const std::int64_t weight : weights) {
    if (std::abs(weight) > kMostWeight) refuse_step("weights of more than 16 bits");
  }
  const ElementType weight = source_.add_weights(step.name + "_weights", weights);
  source_.add_helper(weight_kernel(weight));
  source_.add_array(sum, step.name + "_biases", linear.biases());
  multiply_adds_ +=
      static_cast<std::uint64_t>(places.rows.count * places.columns.count) * weights.size();
  const IntegerFormat& format = *graph_.format(x);
  std::string fields =
      places.text + fmt::format(
                        "\n  .out_channels = {}, .group_in = {}, .group_out = {}, .zero = {},\n"
                        "  .weights = {}_weights, .biases = {}_biases",
                        sizes.out_channels, depth,
                        sizes.out_channels / static_cast<std::size_t>(sizes.groups), format.zero,
                        step.name, step.name);
  const ElementType of_x = element_type_of(format);
  if (step.step.makes_codes) {
    source_.use.linear = true;
    const IntegerFormat& to = *graph_.format(step.step.output);
    fields += ",\n  .to = {" + format_fields(step.name, {&linear.requantization(), 1}, to) + "}";
    source_.add_layer("linear_layer", step.name, fields + "\n");
    source_.add_call(linear_kernel(of_x, weight, sum, element_type_of(to)), step.name,
                     {places_.at(x)}, result_of(step), step.comment);
    return;
  }
  // Only outputs of the network are sums.
  source_.add_layer("linear_layer", step.name, fields + "\n");
  source_.add_call(
      linear_kernel(of_x, weight, sum, source_.buffer(places_.at(step.step.output)).type),
      step.name, {places_.at(x)}, places_.at(step.step.output), step.comment);
}

void StepWriter::write_add(const Step& step) {
  const ValueId a = step.step.inputs[0];
  const ValueId b = step.step.inputs[1];
  if (shape_of(a) != shape_of(b)) refuse_step("a sum of two values of different shapes");
  const IntegerFormat& of_a = *graph_.format(a);
  const IntegerFormat& of_b = *graph_.format(b);
  const IntegerFormat& to = *graph_.format(step.step.output);
  const AddedCodes sum(of_a, of_b, to);
  const AddedCodes::Terms& terms = sum.terms();
  std::string fields = fmt::format("\n  .count = {}, .zero_a = {}, .zero_b = {},\n  ",
                                   count_of(shape_of(a)), of_a.zero, of_b.zero);
  switch (to.arithmetic.mode) {
    case RequantizationMode::kFloat: {
      const FloatParts scale_a = float_parts(of_a.scale);
      const FloatParts scale_b = float_parts(of_b.scale);
      const FloatParts scale_y = float_parts(to.scale);
      // Both terms are added in 64 bits.
      constexpr int kMostApart = 20;
      const bool are_close = std::abs(scale_a.exponent - scale_b.exponent) <= kMostApart;
      if (!are_close || scale_a.mantissa == 0 || scale_b.mantissa == 0 || scale_y.mantissa == 0) {
        refuse_step(
            fmt::format("a sum of values whose scales are {:g} and {:g}, expected at most "
                        "a factor of 2^{} between them",
                        of_a.scale, of_b.scale, kMostApart));
      }
      fields += fmt::format(
          ".scale_a = {}, .exponent_a = {}, .scale_b = {}, .exponent_b = {},\n"
          "  .scale_y = {}, .exponent_y = {}",
          scale_a.mantissa, scale_a.exponent, scale_b.mantissa, scale_b.exponent, scale_y.mantissa,
          scale_y.exponent);
      break;
    }
    case RequantizationMode::kMultiplier:
      fields += fmt::format(
          ".left = {}, .multiplier_a = {}, .shift_a = {}, .multiplier_b = {}, .shift_b = {},\n"
          "  .multiplier_y = {}, .shift_y = {}",
          terms.left_a, terms.of_a.multiplier, terms.of_a.shift, terms.of_b.multiplier,
          terms.of_b.shift, terms.of_sum.multiplier, terms.of_sum.shift);
      break;
    case RequantizationMode::kShift:
      fields += fmt::format(".left_a = {}, .left_b = {}, .right = {}", terms.left_a, terms.left_b,
                            terms.right);
  }
  source_.use.add = true;
  fields += ",\n  .to = {" + format_fields(step.name, {}, to) + "}\n";
  source_.add_layer("add_layer", step.name, fields);
  source_.add_call(add_kernel(element_type_of(of_a), element_type_of(of_b), element_type_of(to)),
                   step.name, {places_.at(a), places_.at(b)}, result_of(step), step.comment);
}

// The second operand has all elements, or one for each channel, or one.
void StepWriter::write_product(const Step& step) {
  ValueId a = step.step.inputs[0];
  ValueId b = step.step.inputs[1];
  if (count_of(shape_of(a)) < count_of(shape_of(b))) std::swap(a, b);
  const Shape of = shape_of(a);
  const Shape factor = shape_of(b);
  const bool is_by_channel = of.size() == 4 && factor.size() == 4 && factor[1] == of[1] &&
                             factor[0] * factor[2] * factor[3] == 1;
  const bool keeps_order = shape_of(step.step.output) == of;  // of elements in memory
  if (!keeps_order || (of != factor && !is_by_channel && count_of(factor) != 1)) {
    refuse_step("a product of two values of different shapes");
  }
  const IntegerFormat& of_a = *graph_.format(a);
  const IntegerFormat& of_b = *graph_.format(b);
  const IntegerFormat& to = *graph_.format(step.step.output);
  const Requantization requantization(of_a.scale, {of_b.scale}, to);
  source_.use.linear = true;
  const std::string fields = fmt::format(
      "\n  .count = {}, .period = {}, .zero_a = {}, .zero_b = {},\n  .to = {{{}}}\n", count_of(of),
      count_of(factor), of_a.zero, of_b.zero, format_fields(step.name, {&requantization, 1}, to));
  source_.add_layer("product_layer", step.name, fields);
  source_.add_call(
      product_kernel(element_type_of(of_a), element_type_of(of_b), element_type_of(to)), step.name,
      {places_.at(a), places_.at(b)}, result_of(step), step.comment);
}

void StepWriter::write_mean(const Step& step) {
  const ValueId x = step.step.inputs[0];
  const Shape from = shape_of(x);
  const auto* const pool = std::get_if<op::AveragePool>(&step.node.attributes);
  const Window window = pool != nullptr ? pool->window : whole_image(from);
  const WindowFields places = window_fields(window, from, pool != nullptr && pool->ceil_mode);
  const bool counts_padding = pool != nullptr && pool->count_include_pad;
  const bool has_padding = places.rows.before > 0 || places.rows.after > 0 ||
                           places.columns.before > 0 || places.columns.after > 0;
  const IntegerFormat& of_x = *graph_.format(x);
  const IntegerFormat& to = *graph_.format(step.step.output);
  const std::int64_t taps = window.kernel[0] * window.kernel[1];
  // By the number of elements, where that differs: no more than the image has.
  const bool differs = has_padding && !counts_padding;
  const std::int64_t most = differs ? std::min(taps, from.at(2) * from.at(3)) : taps;
  if (differs && most > kMostMeans) {
    refuse_step(fmt::format("a mean of {} different numbers of elements, expected at most {}", most,
                            kMostMeans));
  }
  std::vector<Requantization> means;
  for (std::int64_t count = differs ? 1 : taps; count <= most; ++count) {
    means.push_back(Requantization::of_mean(of_x, count, to));
  }
  source_.use.mean = true;
  const std::string fields =
      places.text + fmt::format("\n  .counts_padding = {}, .zero = {},\n  .to = {{{}}}\n",
                                counts_padding ? 1 : 0, of_x.zero,
                                format_fields(step.name, means, to));
  source_.add_layer("window_layer", step.name, fields);
  source_.add_call(mean_kernel(element_type_of(of_x), element_type_of(to)), step.name,
                   {places_.at(x)}, result_of(step), step.comment);
}

}  // namespace narrow::c_network
