// What to do to values between the operators of a network: plain data, as Scheme is for weights.
// docs/integers.md defines every number.
#pragma once

#include <string>
#include <string_view>

#include "narrow/export.h"

namespace narrow {

enum class ActivationSchemeKind {
  kAffine,      // unsigned codes with a zero point
  kSymmetric,   // signed codes, zero point 0
  kFixedPoint,  // the scale is a power of two, zero point 0; signed where a value is below 0
};

// Which part of the values that calibration saw the codes hold.
enum class ActivationRange { kMinMax, kPercentile, kMse, kEntropy };

struct ActivationScheme {
  ActivationSchemeKind kind = ActivationSchemeKind::kAffine;
  int bits = 8;  // 2 to 16
  ActivationRange range = ActivationRange::kMinMax;
  double percentile = 0;  // of kPercentile: above 50 and up to 100

  bool operator==(const ActivationScheme&) const = default;
};

// Values between operators whose names match a shell pattern.
struct ActivationRule {
  std::string pattern;
  ActivationScheme scheme;
  bool may_match_none = false;  // of a plan, whose values may have stayed numbers
};

// Throws Error(kUsage) for a width that is not from 2 to 16, and for a percentile that is not above
// 50 and at most 100.
NARROW_EXPORT void validate(const ActivationScheme& scheme);
// "8", "8:symmetric": bits and, where it is not affine, the kind. Throws Error(kUsage).
NARROW_EXPORT ActivationScheme parse_activations(std::string_view text);
NARROW_EXPORT std::string to_string(const ActivationScheme& scheme);
// "minmax", "percentile:99.9", "mse" or "entropy" into `scheme`. Throws Error(kUsage).
NARROW_EXPORT void parse_activation_range(std::string_view text, ActivationScheme& scheme);
NARROW_EXPORT std::string range_text(const ActivationScheme& scheme);
// "GLOB: 4" or "GLOB: 4:symmetric mse": pattern, bits and kind, and the range where it is another
// than that of `base`. The last ": " ends the pattern. Throws Error(kUsage).
NARROW_EXPORT ActivationRule parse_activation_rule(std::string_view text,
                                                   const ActivationScheme& base);

}  // namespace narrow
