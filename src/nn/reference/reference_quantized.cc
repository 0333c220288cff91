// Operators on codes. Sums of products are computed in double, which is exact: products of codes
// less zero points have 34 bits at most, and no kernel has 2^19 of the largest. Then they wrap to
// int32 as the sums of an integer machine do.
#include <algorithm>
#include <cmath>
#include <limits>

#include "nn/reference/reference_kernels.h"
#include "tensor/element_values.h"

namespace narrow::reference {
namespace {

// As it is broadcast to a value of `rank` axes: one value, or one for each index of `axis`,
// or of as many axes already.
ReferenceTensor aligned(const ReferenceTensor& parameter, std::size_t rank, std::int64_t axis) {
  ReferenceTensor result = parameter;
  if (result.size() == 1) {
    result.shape.clear();
  } else if (result.shape.size() == 1) {
    const auto at =
        static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis);
    result.shape.assign(rank, 1);
    result.shape[at] = static_cast<std::int64_t>(result.size());
  }
  return result;
}

// The index of the scale of each element of x.
class ScaleIndex {
 public:
  template <typename Op>
  ScaleIndex(const Op& op, const ReferenceTensor& x, const ReferenceTensor& scale)
      : has_one_(scale.size() == 1), block_(std::max<std::int64_t>(op.block_size, 1)) {
    if (has_one_) return;
    view_ = AxisView(x.shape, op.axis);
    blocks_ = (view_.size + block_ - 1) / block_;
    is_blocked_ = op.block_size > 0;
  }
  [[nodiscard]] std::size_t of(std::size_t element) const {
    if (has_one_) return 0;
    const std::size_t along = element / view_.inner % view_.size;
    if (!is_blocked_) return along;
    const std::size_t outer = element / (view_.inner * view_.size);
    return (outer * blocks_ + along / block_) * view_.inner + element % view_.inner;
  }

 private:
  bool has_one_;
  bool is_blocked_ = false;
  std::size_t block_;
  std::size_t blocks_ = 1;
  AxisView view_{{1}, 0};
};

double in_float(double value) { return static_cast<double>(static_cast<float>(value)); }

// The nearest code of a number that is already divided by its scale; NaN becomes the least.
std::int64_t code_of(double value, std::int64_t zero, const IntegerRange& range) {
  const double code = std::nearbyint(value) + static_cast<double>(zero);
  const auto least = static_cast<double>(range.least);
  const auto greatest = static_cast<double>(range.greatest);
  return static_cast<std::int64_t>(std::isnan(code) ? least : std::clamp(code, least, greatest));
}

IntegerRange range_of(DType type, SmallType small = SmallType::kNone) {
  const auto range = integer_range(type, small);
  if (!range) refuse("codes of type " + std::string(to_string(type)) + " are not computed");
  return *range;
}

// Codes less their zero point, as real numbers.
ReferenceTensor without_zero(const ReferenceTensor& x, const ReferenceTensor* zero,
                             std::int64_t axis) {
  ReferenceTensor result = ReferenceTensor::zeros(x.shape);
  const ReferenceTensor none = {{}, {}, DType::kInt8, {0}};
  const ReferenceTensor by_axis = aligned(zero == nullptr ? none : *zero, x.shape.size(), axis);
  const ReferenceTensor* const operands[] = {&x, &by_axis};
  for_each_broadcast(x.shape, operands, [&](std::size_t i, const std::vector<std::size_t>& from) {
    result.values[i] = static_cast<double>(x.integers[i] - by_axis.integers[from[1]]);
  });
  return result;
}

// The sums of an integer machine of 32 bits.
template <typename Op>
std::vector<std::int64_t> integer_sums(const Op& op, const ReferenceTensor& x,
                                       const ReferenceTensor& weights, const Shape& shape) {
  ReferenceTensor sums = ReferenceTensor::zeros(shape);
  const ReferenceTensor* const inputs[] = {&x, &weights};
  run(op, inputs, {&sums, 1});
  std::vector<std::int64_t> result;
  result.reserve(sums.size());
  for (const double sum : sums.values) {
    result.push_back(wrap_to(DType::kInt32, static_cast<std::int64_t>(sum)));
  }
  return result;
}

// Scales and zero points of a quantized product, as they are broadcast to its result.
struct Requantization {
  ReferenceTensor x_scale;
  ReferenceTensor weight_scale;
  ReferenceTensor scale;
  ReferenceTensor zero;
};

void requantize(const std::vector<std::int64_t>& sums, const Requantization& by,
                ReferenceTensor& y) {
  const IntegerRange range = range_of(y.type);
  const ReferenceTensor* const operands[] = {&by.x_scale, &by.weight_scale, &by.scale, &by.zero};
  for_each_broadcast(y.shape, operands, [&](std::size_t i, const std::vector<std::size_t>& from) {
    const double product = in_float(by.x_scale.values[from[0]] * by.weight_scale.values[from[1]]);
    const double factor = in_float(product / by.scale.values[from[2]]);
    const double value = in_float(in_float(static_cast<double>(sums[i])) * factor);
    y.integers[i] = code_of(value, by.zero.integers[from[3]], range);
  });
}

}  // namespace

void run(const op::QuantizeLinear& quantize, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  const ReferenceTensor* const zero = input_at(inputs, 2);
  ReferenceTensor& y = outputs[0];
  const ScaleIndex index(quantize, x, *inputs[1]);
  const ScaleIndex zero_index(quantize, x, zero == nullptr ? *inputs[1] : *zero);
  const IntegerRange range = y.is_real() ? IntegerRange() : range_of(quantize.to, quantize.small);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double value = in_float(in_float(real_at(x, i)) / inputs[1]->values[index.of(i)]);
    const std::size_t zero_at = zero == nullptr ? 0 : zero_index.of(i);
    if (y.is_real()) {
      const double offset = zero == nullptr ? 0 : zero->values[zero_at];
      y.values[i] = round_small(quantize.small, value + offset, quantize.saturate);
    } else {
      const std::int64_t offset = zero == nullptr ? 0 : zero->integers[zero_at];
      y.integers[i] = code_of(value, offset, range);
    }
  }
}

void run(const op::DequantizeLinear& dequantize, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  const ReferenceTensor* const zero = input_at(inputs, 2);
  const ScaleIndex index(dequantize, x, *inputs[1]);
  const ScaleIndex zero_index(dequantize, x, zero == nullptr ? *inputs[1] : *zero);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double offset = zero == nullptr ? 0 : real_at(*zero, zero_index.of(i));
    outputs[0].values[i] = in_float(real_at(x, i) - offset) * inputs[1]->values[index.of(i)];
  }
}

void run(const op::DynamicQuantizeLinear& /*quantize*/, Inputs inputs, Outputs outputs) {
  const std::vector<double>& x = inputs[0]->values;
  double least = 0;
  double greatest = 0;
  for (const double value : x) {
    least = std::min(least, value);
    greatest = std::max(greatest, value);
  }
  constexpr IntegerRange kRange = {0, 255};
  const double scale = least == greatest ? 1 : in_float(in_float(greatest - least) / 255);
  const std::int64_t zero = code_of(in_float(-least / scale), 0, kRange);
  for (std::size_t i = 0; i < x.size(); ++i) {
    outputs[0].integers[i] = code_of(in_float(x[i] / scale), zero, kRange);
  }
  outputs[1].values[0] = scale;
  outputs[2].integers[0] = zero;
}

void run(const op::ConvInteger& conv, Inputs inputs, Outputs outputs) {
  outputs[0].integers = integer_sums(
      op::Conv{conv.window, conv.group}, without_zero(*inputs[0], input_at(inputs, 2), 0),
      without_zero(*inputs[1], input_at(inputs, 3), 0), outputs[0].shape);
}

void run(const op::MatMulInteger& /*product*/, Inputs inputs, Outputs outputs) {
  outputs[0].integers =
      integer_sums(op::MatMul{}, without_zero(*inputs[0], input_at(inputs, 2), -2),
                   without_zero(*inputs[1], input_at(inputs, 3), -1), outputs[0].shape);
}

void run(const op::QLinearConv& conv, Inputs inputs, Outputs outputs) {
  ReferenceTensor& y = outputs[0];
  std::vector<std::int64_t> sums =
      integer_sums(op::Conv{conv.window, conv.group}, without_zero(*inputs[0], inputs[2], 0),
                   without_zero(*inputs[3], inputs[5], 0), y.shape);
  if (const ReferenceTensor* const biases = input_at(inputs, 8)) {
    const AxisView channels(y.shape, 1);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      sums[i] =
          wrap_to(DType::kInt32, sums[i] + biases->integers[i / channels.inner % channels.size]);
    }
  }
  const std::size_t rank = y.shape.size();
  requantize(sums,
             {aligned(*inputs[1], rank, 1), aligned(*inputs[4], rank, 1),
              aligned(*inputs[6], rank, 1), aligned(*inputs[7], rank, 1)},
             y);
}

void run(const op::QLinearMatMul& /*product*/, Inputs inputs, Outputs outputs) {
  ReferenceTensor& y = outputs[0];
  const std::vector<std::int64_t> sums =
      integer_sums(op::MatMul{}, without_zero(*inputs[0], inputs[2], -2),
                   without_zero(*inputs[3], inputs[5], -1), y.shape);
  const std::size_t rank = y.shape.size();
  requantize(sums,
             {aligned(*inputs[1], rank, -2), aligned(*inputs[4], rank, -1),
              aligned(*inputs[6], rank, -2), aligned(*inputs[7], rank, -2)},
             y);
}

}  // namespace narrow::reference
