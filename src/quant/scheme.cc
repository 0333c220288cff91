#include "narrow/scheme.h"

#include <array>
#include <charconv>
#include <string>

#include "narrow/error.h"

namespace narrow {
namespace {

// In the order of SchemeKind.
constexpr std::array<std::string_view, 4> kKindNames = {"bin", "fixed-point", "affine",
                                                        "symmetric"};
constexpr std::string_view kGroupPrefix = "group:";

[[noreturn]] void refuse(const std::string& sentence) {
  throw Error(ErrorCategory::kUsage, sentence);
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
         "\": use one of bin, fixed-point, affine, symmetric");
}

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
  if (scheme.granularity.kind == Granularity::Kind::kGroup && scheme.granularity.group_size < 1) {
    refuse("group size " + std::to_string(scheme.granularity.group_size) +
           " is too small: it must be at least 1");
  }
}

std::string q_format(const Scheme& scheme, const BlockParams& params) {
  const int integer_bits = scheme.bits - (params.is_signed ? 1 : 0) - params.fraction_bits;
  return "Q" + std::to_string(integer_bits) + "." + std::to_string(params.fraction_bits);
}

}  // namespace narrow
