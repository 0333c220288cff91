#include "narrow/scheme.h"

#include <array>
#include <charconv>
#include <string>

#include "narrow/error.h"

namespace narrow {
namespace {

// In the order of SchemeKind.
constexpr std::array<std::string_view, 5> kKindNames = {"bin", "fixed-point", "affine", "symmetric",
                                                        "codebook"};
constexpr std::string_view kGroupPrefix = "group:";
constexpr std::string_view kPercentilePrefix = "percentile:";
constexpr double kLeastPercentile = 50;  // itself excluded: both ends would meet in the median
constexpr double kGreatestPercentile = 100;

[[noreturn]] void refuse(const std::string& sentence) {
  throw Error(ErrorCategory::kUsage, sentence);
}

// The shortest decimal number that is this double.
std::string shortest_text(double value) {
  std::array<char, 32> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), end};
}

bool is_percentile(double value) {
  return value > kLeastPercentile && value <= kGreatestPercentile;
}

void validate_range(const Scheme& scheme) {
  if (scheme.range.kind == Range::Kind::kPercentile && !is_percentile(scheme.range.percentile)) {
    refuse("percentile " + shortest_text(scheme.range.percentile) +
           " is outside its limits: it must be above 50 and at most 100");
  }
  if (scheme.range.kind != Range::Kind::kMinMax && !takes_range(scheme.kind)) {
    refuse(
        "the codebook scheme places its levels by all values of a block: it takes no range, but " +
        to_string(scheme.range) + " was given");
  }
}

void validate_format(const Scheme& scheme) {
  if (!has_format(scheme)) return;
  const FixedFormat& format = scheme.format;
  if (scheme.kind != SchemeKind::kFixedPoint || scheme.scaling != Scaling::kBinary) {
    refuse(
        "fraction bits, sign, rounding and overflow of codes belong to fixed-point with binary "
        "scaling, but the scheme is " +
        std::string(to_string(scheme.kind)) +
        (scheme.kind == SchemeKind::kFixedPoint ? " with decimal scaling" : ""));
  }
  const int n = format.fraction_bits.value_or(0);
  if (n < kLeastGivenFractionBits || n > kMostGivenFractionBits) {
    refuse(std::to_string(n) + " fraction bits are outside " +
           std::to_string(kLeastGivenFractionBits) + " to " +
           std::to_string(kMostGivenFractionBits));
  }
  if (format.overflow == Overflow::kSymmetric && scheme.bits == 1) {
    refuse("symmetric overflow needs at least 2 bits: with 1 bit its only signed code is 0");
  }
  if (scheme.range.kind == Range::Kind::kMinMax) return;
  if (format.fraction_bits.has_value()) {
    refuse("the range " + to_string(scheme.range) + " chooses the fraction bits of a block, but " +
           std::to_string(n) + " were given: leave one of the two out");
  }
  if (format.overflow == Overflow::kZero || format.overflow == Overflow::kWrap) {
    refuse("the range " + to_string(scheme.range) +
           " leaves values outside that are to get the nearest code, which overflow " +
           std::string(to_string(format.overflow)) + " does not give them");
  }
}

}  // namespace

std::string_view to_string(SchemeKind kind) noexcept {
  return kKindNames[static_cast<std::size_t>(kind)];
}

SchemeKind parse_scheme_kind(std::string_view name) {
  for (std::size_t i = 0; i < kKindNames.size(); ++i) {
    if (name == kKindNames[i]) return static_cast<SchemeKind>(i);
  }
  refuse("unknown scheme \"" + std::string(name) +
         "\": use one of bin, fixed-point, affine, symmetric, codebook");
}

std::string to_string(const Range& range) {
  switch (range.kind) {
    case Range::Kind::kMinMax:
      return "minmax";
    case Range::Kind::kPercentile:
      return std::string(kPercentilePrefix) + shortest_text(range.percentile);
    case Range::Kind::kMse:
      return "mse";
    case Range::Kind::kAciq:
      break;
  }
  return "aciq";
}

Range parse_range(std::string_view text) {
  if (text == "minmax") return {};
  if (text == "mse") return {Range::Kind::kMse, 0};
  if (text == "aciq") return {Range::Kind::kAciq, 0};
  if (text.starts_with(kPercentilePrefix)) {
    const std::string_view number = text.substr(kPercentilePrefix.size());
    const char* const end = number.data() + number.size();
    Range range{Range::Kind::kPercentile, 0};
    const auto [stop, error] = std::from_chars(number.data(), end, range.percentile);
    if (error == std::errc() && stop == end && is_percentile(range.percentile)) return range;
  }
  refuse("unknown range \"" + std::string(text) +
         "\": use minmax, mse, aciq, or percentile:P with P above 50 and at most 100");
}

bool takes_range(SchemeKind kind) noexcept { return kind != SchemeKind::kCodebook; }

std::string to_string(const Granularity& granularity) {
  switch (granularity.kind) {
    case Granularity::Kind::kTensor:
      return "tensor";
    case Granularity::Kind::kChannel:
      return "channel";
    case Granularity::Kind::kGroup:
      break;
  }
  return std::string(kGroupPrefix) + std::to_string(granularity.group_size);
}

Granularity parse_granularity(std::string_view text) {
  Granularity granularity;
  if (text == "tensor") return granularity;
  if (text == "channel") {
    granularity.kind = Granularity::Kind::kChannel;
    return granularity;
  }
  if (text.starts_with(kGroupPrefix)) {
    const std::string_view size = text.substr(kGroupPrefix.size());
    const char* const end = size.data() + size.size();
    const auto [stop, error] = std::from_chars(size.data(), end, granularity.group_size);
    if (error == std::errc() && stop == end && granularity.group_size >= 1) {
      granularity.kind = Granularity::Kind::kGroup;
      return granularity;
    }
  }
  refuse("unknown granularity \"" + std::string(text) +
         "\": use tensor, channel, or group:G with G consecutive values, G at least 1");
}

void validate(const Scheme& scheme) {
  if (scheme.bits < 1 || scheme.bits > 32) {
    refuse("bit width " + std::to_string(scheme.bits) + " is outside 1 to 32");
  }
  if (scheme.kind == SchemeKind::kSymmetric && scheme.bits == 1) {
    refuse("the symmetric scheme needs at least 2 bits: with 1 bit its only code is 0");
  }
  if (scheme.kind == SchemeKind::kCodebook && scheme.bits > kMaxCodebookBits) {
    refuse("a codebook of " + std::to_string(scheme.bits) + " bits is too large: it has at most " +
           std::to_string(kMaxCodebookBits) + " bits, 256 levels");
  }
  validate_range(scheme);
  validate_format(scheme);
  if (scheme.granularity.kind == Granularity::Kind::kGroup && scheme.granularity.group_size < 1) {
    refuse("group size " + std::to_string(scheme.granularity.group_size) +
           " is too small: it must be at least 1");
  }
}

bool has_format(const Scheme& scheme) noexcept { return scheme.format != FixedFormat{}; }

std::string q_format(const Scheme& scheme, const BlockParams& params) {
  const int integer_bits = scheme.bits - (params.is_signed ? 1 : 0) - params.fraction_bits;
  return "Q" + std::to_string(integer_bits) + "." + std::to_string(params.fraction_bits);
}

}  // namespace narrow
