// Weights become rows [out, in / group, taps]. Where all sums fit in 32 bits they are packed for
// the kernels. The rest goes through the reference operator, whose doubles hold every sum exactly.
#include "nn/integer/integer_linear.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "narrow/error.h"

namespace narrow {
namespace {

// Doubles hold every integer of a smaller magnitude.
constexpr double kMostExact = 0x1p53;
// Bits of a sum that is multiplied.
constexpr int kMostMultiplied = 32;

bool is_16_bits(std::int64_t value) {
  return std::abs(value) <= std::numeric_limits<std::int16_t>::max();
}

bool fits_32_bits(std::int64_t value) {
  return value >= std::numeric_limits<std::int32_t>::min() &&
         value <= std::numeric_limits<std::int32_t>::max();
}

[[noreturn]] void refuse_sums(const QuantizedGraph& graph, const Node& node,
                              const std::string& why) {
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{} of {}: {}", node.name, graph.graph().name, why));
}

}  // namespace

int SumBounds::bits() const {
  const auto magnitude = [](std::int64_t value) {
    return static_cast<std::uint64_t>(value < 0 ? ~value : value);
  };
  return 1 + static_cast<int>(std::bit_width(std::max(magnitude(least), magnitude(greatest))));
}

IntegerLinear::IntegerLinear(const QuantizedGraph& graph, const QuantizedStep& step,
                             CodeWidth width) {
  const Node& node = step.node(graph.graph());
  const IntegerFormat& x = *graph.format(step.inputs[0]);
  attributes_ = node.attributes;
  x_scale_ = x.scale;
  makes_codes_ = step.makes_codes;
  take_weights(graph, node);
  take_biases(graph, node);
  if (makes_codes_) {
    try {
      requantization_ = {x_scale_, scales_, *graph.format(step.output)};
    } catch (const Error& error) {
      refuse_sums(graph, node, error.what());
    }
  }
  find_bounds(graph, node, x);
  if (!requantization_.multipliers().empty() && bounds_.bits() > kMostMultiplied) {
    refuse_sums(graph, node,
                fmt::format("its sums need {} bits, expected at most {} for a requantization by "
                            "multipliers",
                            bounds_.bits(), kMostMultiplied));
  }
  const bool is_narrow = fits_32_bits(bounds_.least) && fits_32_bits(bounds_.greatest) &&
                         std::ranges::all_of(biases_, fits_32_bits) &&
                         std::ranges::all_of(weights_, is_16_bits);
  if (width == CodeWidth::kLong || is_plain_ || !is_narrow || weights_.empty()) return;
  const bool has_factors = !requantization_.factors().empty();
  packed_.emplace(sizes_, weights_, biases_, has_factors ? &requantization_ : nullptr,
                  storage_of(x, width));
  weights_.clear();
  plain_weights_ = {};
}

void IntegerLinear::take_weights(const QuantizedGraph& graph, const Node& node) {
  const std::size_t rank = *graph.stored_rank(node.inputs[1]);
  const std::size_t axis = output_axis(node, rank);
  StoredCodes stored = *graph.stored_codes(node.inputs[1], axis);
  scales_ = std::move(stored.scales);
  sizes_.out_channels = static_cast<std::size_t>(stored.shape[axis]);
  plain_weights_ = ReferenceTensor::zeros(stored.shape);
  std::ranges::copy(stored.codes, plain_weights_.values.begin());
  if (const auto* const conv = std::get_if<op::Conv>(&node.attributes)) {
    sizes_.groups = conv->group;
    sizes_.in_channels = static_cast<std::size_t>(stored.shape[1] * conv->group);
    sizes_.window = conv->window;
    is_plain_ = conv->window.rank() != 2;
    weights_ = std::move(stored.codes);
    return;
  }
  // [..., in, out] or [out, in] or [in, out, taps...]
  std::size_t inner = 1;
  for (std::size_t i = axis + 1; i < rank; ++i) inner *= static_cast<std::size_t>(stored.shape[i]);
  const std::size_t columns = stored.codes.size() / std::max<std::size_t>(sizes_.out_channels, 1);
  weights_.resize(stored.codes.size());
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const std::size_t channel = i / inner % sizes_.out_channels;
    const std::size_t column = i / (inner * sizes_.out_channels) * inner + i % inner;
    weights_[channel * columns + column] = stored.codes[i];
  }
  if (std::holds_alternative<op::ConvTranspose>(node.attributes)) {
    is_plain_ = true;
    return;
  }
  is_rows_ = true;
  is_plain_ = rank != 2;
  sizes_.in_channels = columns;
  if (axis == 0) {
    plain_weights_.shape = {stored.shape[1], stored.shape[0]};
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      plain_weights_.values[i % columns * sizes_.out_channels + i / columns] =
          static_cast<double>(weights_[i]);
    }
  }
  attributes_ = op::MatMul{};
}

// Integers in units of s_x s_w: those of the file where it has them so.
void IntegerLinear::take_biases(const QuantizedGraph& graph, const Node& node) {
  biases_.assign(sizes_.out_channels, 0);
  if (node.inputs.size() < 3 || node.inputs[2] == kNoValue) return;
  const ReferenceTensor& numbers = *graph.stored(node.inputs[2]);
  const bool is_vector = numbers.size() == sizes_.out_channels;
  std::optional<StoredCodes> codes;
  const auto rank = graph.stored_rank(node.inputs[2]);
  if (rank && is_vector && *rank >= 1) codes = graph.stored_codes(node.inputs[2], *rank - 1);
  for (std::size_t c = 0; c < sizes_.out_channels; ++c) {
    if (codes && codes->scales[codes->scales.size() == 1 ? 0 : c] == unit(c)) {
      biases_[c] = codes->codes[c];
    } else {
      const double bias = numbers.values[is_vector ? c : 0];
      const double units = std::nearbyint(bias / static_cast<double>(unit(c)));
      if (!(std::abs(units) < kMostExact)) {
        refuse_sums(graph, node,
                    fmt::format("its bias {:g} has {:g} units of {:g}, expected fewer than 2^53",
                                bias, units, unit(c)));
      }
      biases_[c] = static_cast<std::int64_t>(units);
    }
  }
}

// In double, where nothing overflows: each sum only falls or only rises, so that it is exact if its
// end is.
void IntegerLinear::find_bounds(const QuantizedGraph& graph, const Node& node,
                                const IntegerFormat& x) {
  const std::size_t columns = weights_.size() / std::max<std::size_t>(sizes_.out_channels, 1);
  double least = 0;
  double greatest = 0;
  for (std::size_t c = 0; c < sizes_.out_channels; ++c) {
    auto least_sum = static_cast<double>(biases_[c]);
    double greatest_sum = least_sum;
    for (std::size_t i = 0; i < columns; ++i) {
      const auto weight = static_cast<double>(weights_[c * columns + i]);
      const auto [low, high] = std::minmax(
          {weight * static_cast<double>(x.least), weight * static_cast<double>(x.greatest)});
      least_sum += low;
      greatest_sum += high;
    }
    least = std::min(least, least_sum);
    greatest = std::max(greatest, greatest_sum);
  }
  const double magnitude = std::max(-least, greatest);
  if (magnitude >= kMostExact) {
    refuse_sums(
        graph, node,
        fmt::format("its sums need {} bits, expected at most 53", std::ilogb(magnitude) + 2));
  }
  bounds_ = {static_cast<std::int64_t>(least), static_cast<std::int64_t>(greatest)};
}

ReferenceTensor IntegerLinear::sums(const CodeArray& x) const {
  if (packed_) {
    if (is_rows_ && x.shape().size() != 2) {
      ReferenceTensor sums_of_rows = sums(as_matrix(x));
      sums_of_rows.shape = shape_of_rows(x);
      return sums_of_rows;
    }
    if (x.layout() != CodeLayout::kChannelsLast) return sums(x.as(CodeLayout::kChannelsLast));
    return packed_->sums(x).as_numbers();
  }
  const ReferenceTensor numbers = x.as_numbers();
  const ReferenceTensor* const inputs[] = {&numbers, &plain_weights_};
  ReferenceTensor result = run_operator(attributes_, inputs);
  const std::size_t inner = inner_of(result.shape);
  for (std::size_t i = 0; i < result.values.size(); ++i) {
    result.values[i] += static_cast<double>(biases_[i / inner % sizes_.out_channels]);
  }
  return result;
}

std::size_t IntegerLinear::inner_of(const Shape& result) const {
  if (is_rows_) return 1;
  return static_cast<std::size_t>(element_count({result.begin() + 2, result.end()}));
}

// Rows of any number of axes as those of a matrix.
CodeArray IntegerLinear::as_matrix(const CodeArray& x) {
  const std::int64_t columns = x.shape().back();
  const auto count = static_cast<std::int64_t>(element_count(x.shape()));
  return x.reshaped({columns == 0 ? 0 : count / columns, columns}).as(CodeLayout::kChannelsLast);
}

// Of the result, for rows of any number of axes.
Shape IntegerLinear::shape_of_rows(const CodeArray& x) const {
  Shape shape = x.shape();
  shape.back() = static_cast<std::int64_t>(sizes_.out_channels);
  return shape;
}

CodeArray IntegerLinear::requantized(ReferenceTensor y, CodeWidth width) const {
  const std::size_t inner = inner_of(y.shape);
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    const auto sum = static_cast<std::int64_t>(y.values[i]);
    y.values[i] = static_cast<double>(requantization_(sum, i / inner % sizes_.out_channels));
  }
  return CodeArray::of(y, usual_layout(y.shape), storage_of(requantization_.format(), width));
}

CodeArray IntegerLinear::codes(const CodeArray& x) const {
  if (!packed_) return requantized(sums(x), x.width());
  if (is_rows_ && x.shape().size() != 2) return codes(as_matrix(x)).reshaped(shape_of_rows(x));
  if (requantization_.factors().empty()) return requantized(sums(x), x.width());
  if (x.layout() != CodeLayout::kChannelsLast) return codes(x.as(CodeLayout::kChannelsLast));
  return packed_->codes(x);
}

float IntegerLinear::unit(std::size_t channel) const {
  return x_scale_ * scales_[scales_.size() == 1 ? 0 : channel];
}

ReferenceTensor IntegerLinear::numbers(const CodeArray& x) const {
  ReferenceTensor y = sums(x);
  y.type = DType::kFloat32;
  const std::size_t inner = inner_of(y.shape);
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    const auto sum = static_cast<float>(static_cast<std::int64_t>(y.values[i]));
    y.values[i] = static_cast<double>(sum * unit(i / inner % sizes_.out_channels));
  }
  return y;
}

}  // namespace narrow
