// Quant of QONNX, which FINN and hls4ml read: numbers rounded to those of codes of any width,
//   (rne(clamp(x / scale + zero, least, greatest)) - zero) * scale.
// Here it is QuantizeLinear and DequantizeLinear, whose zero is added after rounding: that differs
// where x / scale lies in the middle of two integers and the zero is odd.
// https://github.com/fastmachinelearning/qonnx/blob/main/docs/qonnx-custom-ops/quant_op.md
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "graph/constants.h"
#include "model/onnx/node_import.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

constexpr std::size_t kQuantScale = 1;
constexpr std::size_t kQuantZero = 2;
constexpr std::size_t kQuantBits = 3;

// The numbers of an input that is stored and small; empty for others.
std::vector<double> known_numbers(const NodeImport& node, std::size_t index) {
  const Fact& fact = node.fact(index);
  if (fact.reals) return *fact.reals;
  std::vector<double> numbers;
  if (!fact.integers) return numbers;
  for (const SymbolicInteger& integer : *fact.integers) {
    if (!integer.value) return {};
    numbers.push_back(static_cast<double>(*integer.value));
  }
  return numbers;
}

class QuantImport {
 public:
  explicit QuantImport(const NodeImport& node) : node_(node) {
    take_range();
    take_axis();
  }

  void run() {
    const ValueId scale = node_.make("scale", op::Squeeze{}, {node_.input(kQuantScale)});
    std::vector<ValueId> parameters = {scale};
    const std::vector<double> zeros = known_numbers(node_, kQuantZero);
    const bool has_zeros =
        zeros.empty() || std::ranges::any_of(zeros, [](double z) { return z != 0; });
    const IntegerRange of_type = *integer_range(quantize_.to, SmallType::kNone);
    for (const double zero : zeros) {
      if (zero != std::nearbyint(zero)) node_.refuse("its zero point is no integer");
      if (zero < static_cast<double>(of_type.least) ||
          zero > static_cast<double>(of_type.greatest)) {
        node_.refuse(fmt::format("its zero point is {}, expected an integer from {} to {}", zero,
                                 of_type.least, of_type.greatest));
      }
    }
    if (has_zeros) {
      const ValueId zero = node_.make("zero_number", op::Squeeze{}, {node_.input(kQuantZero)});
      parameters.push_back(node_.make("zero", op::Cast{quantize_.to}, {zero}));
    }
    const bool is_narrower = range_.least > of_type.least || range_.greatest < of_type.greatest;
    const std::vector<double> scales = known_numbers(node_, kQuantScale);
    const bool is_one = scales.size() == 1 && zeros.size() == 1;
    std::vector<ValueId> inputs = {node_.input(0)};
    if (is_narrower && is_one) inputs[0] = bounded_numbers(scales[0], zeros[0]);
    inputs.insert(inputs.end(), parameters.begin(), parameters.end());
    ValueId codes = node_.make("codes", quantize_, inputs);
    if (is_narrower && !is_one) codes = bounded_codes(codes);
    inputs[0] = codes;
    node_.emit(op::DequantizeLinear{quantize_.axis}, inputs);
  }

 private:
  void take_range() {
    std::string rounding = node_.text("rounding_mode", "ROUND");
    std::ranges::transform(rounding, rounding.begin(), [](char c) {
      return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    if (rounding != "ROUND" && rounding != "HALF_EVEN") {
      node_.refuse(fmt::format("its rounding mode is {}, expected ROUND", rounding));
    }
    const std::vector<double> width = known_numbers(node_, kQuantBits);
    const bool is_known = width.size() == 1 && width[0] >= 1 && width[0] <= 16 &&
                          width[0] == std::nearbyint(width[0]);
    if (!is_known) {
      node_.refuse(fmt::format("its bit width is {}, expected a stored integer from 1 to 16",
                               width.size() == 1 ? fmt::format("{}", width[0]) : "no such number"));
    }
    const auto bits = static_cast<int>(width[0]);
    const bool is_signed = node_.flag("signed", true);
    const int narrow = node_.flag("narrow", false) ? 1 : 0;
    quantize_.to = bits > 8 ? (is_signed ? DType::kInt16 : DType::kUInt16)
                            : (is_signed ? DType::kInt8 : DType::kUInt8);
    const std::int64_t half = std::int64_t{1} << (bits - 1);
    range_ =
        is_signed ? IntegerRange{-half + narrow, half - 1} : IntegerRange{0, 2 * half - 1 - narrow};
  }

  // Scales are one, or one for each index of an axis and as many axes as x, all others of size 1.
  // So are zeros, of the same axis.
  void take_axis() {
    std::optional<std::int64_t> axis;
    for (const std::size_t input : {kQuantScale, kQuantZero}) {
      const Dimensions& sizes = node_.fact(input).dimensions;
      std::vector<std::int64_t> others;
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        if (sizes[i] != 1) others.push_back(static_cast<std::int64_t>(i));
      }
      if (others.empty()) continue;
      const bool fits = others.size() == 1 && sizes.size() == node_.rank(0) &&
                        others[0] == axis.value_or(others[0]);
      if (!fits) {
        node_.refuse(
            fmt::format("a scale or zero point is {}, expected one number, or the axes of {} "
                        "with one of them above 1, the same for both",
                        to_string(sizes), to_string(node_.fact(0).dimensions)));
      }
      axis = others[0];
    }
    quantize_.axis = axis.value_or(quantize_.axis);
  }

  [[nodiscard]] ValueId bounded_numbers(double scale, double zero) const {
    const auto bound = [&](std::int64_t code) {
      const auto centered = static_cast<float>(static_cast<double>(code) - zero);
      return make_scalar(DType::kFloat32,
                         static_cast<double>(centered * static_cast<float>(scale)));
    };
    return node_.make("bounded", op::Clip{},
                      {node_.input(0), node_.constant("least", bound(range_.least)),
                       node_.constant("greatest", bound(range_.greatest))});
  }

  [[nodiscard]] ValueId bounded_codes(ValueId codes) const {
    const auto bound = [&](std::int64_t code) {
      return Constant{quantize_.to, {}, encode_integers(quantize_.to, std::array{code})};
    };
    return node_.make("bounded", op::Clip{},
                      {codes, node_.constant("least", bound(range_.least)),
                       node_.constant("greatest", bound(range_.greatest))});
  }

  const NodeImport& node_;
  op::QuantizeLinear quantize_;
  IntegerRange range_;
};

}  // namespace

NodeImporter find_qonnx_importer(std::string_view op_type) {
  if (op_type != "Quant" && op_type != "IntQuant") return nullptr;
  return [](const NodeImport& node) { QuantImport(node).run(); };
}

}  // namespace narrow
