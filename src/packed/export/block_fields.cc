#include "packed/export/block_fields.h"

#include <fmt/format.h>

#include <array>

namespace narrow {
namespace {

// The shortest digits that read back as this double; a number with a point or an exponent, so that
// no reader takes it for an integer and loses the sign of -0.
std::string exact(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string lo(const BlockParams& params) { return exact(params.lo); }
std::string hi(const BlockParams& params) { return exact(params.hi); }
std::string width(const BlockParams& params) { return exact(params.bin_width); }
std::string scale(const BlockParams& params) { return exact(params.scale); }
std::string zero(const BlockParams& params) { return fmt::format("{}", params.zero); }
std::string fraction_bits(const BlockParams& params) {
  return fmt::format("{}", params.fraction_bits);
}
std::string decimal_exponent(const BlockParams& params) {
  return fmt::format("{}", params.decimal_exponent);
}
std::string is_signed(const BlockParams& params) { return params.is_signed ? "true" : "false"; }
std::string levels(const BlockParams& params) {
  std::string text = "[";
  for (const float level : params.levels) {
    text += fmt::format("{}{}", text.size() == 1 ? "" : ", ", exact(level));
  }
  return text + "]";
}

constexpr std::array<BlockField, 3> kBin = {{{"lo", lo}, {"hi", hi}, {"width", width}}};
constexpr std::array<BlockField, 4> kAffine = {
    {{"lo", lo}, {"hi", hi}, {"scale", scale}, {"zero", zero}}};
constexpr std::array<BlockField, 3> kSymmetric = {{{"lo", lo}, {"hi", hi}, {"scale", scale}}};
constexpr std::array<BlockField, 3> kFixedPoint = {{{"fraction_bits", fraction_bits},
                                                    {"signed", is_signed},
                                                    {"decimal_exponent", decimal_exponent}}};
constexpr std::array<BlockField, 1> kCodebook = {{{"levels", levels}}};

}  // namespace

std::span<const BlockField> block_fields(const Scheme& scheme) noexcept {
  switch (scheme.kind) {
    case SchemeKind::kBin:
      return kBin;
    case SchemeKind::kAffine:
      return kAffine;
    case SchemeKind::kSymmetric:
      return kSymmetric;
    case SchemeKind::kCodebook:
      return kCodebook;
    case SchemeKind::kFixedPoint:
      break;
  }
  const bool is_decimal = scheme.scaling == Scaling::kDecimal;
  return std::span(kFixedPoint).first(is_decimal ? kFixedPoint.size() : kFixedPoint.size() - 1);
}

}  // namespace narrow
