#include "narrow/activation_scheme.h"

#include <fmt/format.h>

#include <optional>

#include "base/number_text.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::string_view kPercentile = "percentile:";

bool is_possible_width(int bits) { return bits >= 2 && bits <= 16; }

bool is_possible_percentile(double percentile) { return percentile > 50 && percentile <= 100; }

std::string_view to_string(ActivationSchemeKind kind) {
  switch (kind) {
    case ActivationSchemeKind::kSymmetric:
      return "symmetric";
    case ActivationSchemeKind::kFixedPoint:
      return "fixed-point";
    default:
      return "affine";
  }
}

}  // namespace

void validate(const ActivationScheme& scheme) {
  if (!is_possible_width(scheme.bits)) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("activations have {} bits, expected 2 to 16", scheme.bits));
  }
  const bool is_percentile = scheme.range == ActivationRange::kPercentile;
  if (is_percentile && !is_possible_percentile(scheme.percentile)) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("the percentile of activations is {}, expected above 50 and at most 100",
                    scheme.percentile));
  }
}

ActivationScheme parse_activations(std::string_view text) {
  ActivationScheme scheme;
  const std::size_t colon = text.find(':');
  const std::string_view kind = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  bool is_known = colon == std::string_view::npos;
  for (const auto known : {ActivationSchemeKind::kAffine, ActivationSchemeKind::kSymmetric,
                           ActivationSchemeKind::kFixedPoint}) {
    if (kind != to_string(known)) continue;
    scheme.kind = known;
    is_known = true;
  }
  scheme.bits = number_of<int>(text.substr(0, colon)).value_or(0);
  if (!is_known || !is_possible_width(scheme.bits)) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("activations are '{}', expected 2 to 16 bits and possibly a scheme: "
                            "8, 8:affine, 8:symmetric or 8:fixed-point",
                            text));
  }
  return scheme;
}

std::string to_string(const ActivationScheme& scheme) {
  return fmt::format("{}:{}", scheme.bits, to_string(scheme.kind));
}

void parse_activation_range(std::string_view text, ActivationScheme& scheme) {
  const auto percentile = text.starts_with(kPercentile)
                              ? number_of<double>(text.substr(kPercentile.size()))
                              : std::nullopt;
  scheme.percentile = percentile.value_or(0);
  if (text == "minmax") {
    scheme.range = ActivationRange::kMinMax;
  } else if (text == "mse") {
    scheme.range = ActivationRange::kMse;
  } else if (text == "entropy") {
    scheme.range = ActivationRange::kEntropy;
  } else if (percentile && is_possible_percentile(*percentile)) {
    scheme.range = ActivationRange::kPercentile;
  } else {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the range of activations is '{}', expected minmax, mse, entropy or "
                            "percentile:P with P above 50 and at most 100",
                            text));
  }
}

std::string range_text(const ActivationScheme& scheme) {
  switch (scheme.range) {
    case ActivationRange::kPercentile:
      return fmt::format("percentile:{}", scheme.percentile);
    case ActivationRange::kMse:
      return "mse";
    case ActivationRange::kEntropy:
      return "entropy";
    default:
      return "minmax";
  }
}

ActivationRule parse_activation_rule(std::string_view text, const ActivationScheme& base) {
  const std::size_t end = text.rfind(": ");
  if (end == std::string_view::npos || end == 0) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("the rule for activations is '{}', expected a pattern of names, a colon "
                    "with a blank, and bits: 'conv1*: 4:symmetric'",
                    text));
  }
  const std::string_view what = text.substr(end + 2);
  const std::size_t blank = what.find(' ');
  ActivationRule rule{std::string(text.substr(0, end)), parse_activations(what.substr(0, blank))};
  rule.scheme.range = base.range;
  rule.scheme.percentile = base.percentile;
  if (what.substr(0, blank).find(':') == std::string_view::npos) rule.scheme.kind = base.kind;
  if (blank != std::string_view::npos) {
    parse_activation_range(what.substr(blank + 1), rule.scheme);
  }
  return rule;
}

}  // namespace narrow
