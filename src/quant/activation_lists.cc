#include "narrow/activation_lists.h"

#include <fmt/format.h>

#include <algorithm>

#include "narrow/error.h"

namespace narrow {

std::vector<std::optional<ActivationScheme>> activation_schemes(
    const std::vector<std::string>& list, const std::vector<std::string>& ranges) {
  std::vector<std::optional<ActivationScheme>> schemes;
  std::vector<ActivationScheme> of_ranges;
  for (const std::string& range : ranges) {
    ActivationScheme scheme;
    parse_activation_range(range, scheme);
    if (std::ranges::find(of_ranges, scheme) != of_ranges.end()) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("ranges of activations: {} is there twice", range));
    }
    of_ranges.push_back(scheme);
  }
  const auto add = [&](const std::optional<ActivationScheme>& scheme, const std::string& part) {
    if (std::ranges::find(schemes, scheme) != schemes.end()) {
      throw Error(ErrorCategory::kUsage, fmt::format("activations: {} is there twice", part));
    }
    schemes.push_back(scheme);
  };
  for (const std::string& part : list) {
    if (part == "float") {
      add(std::nullopt, part);
      continue;
    }
    ActivationScheme scheme = parse_activations(part);
    for (const std::string& range : ranges) {
      parse_activation_range(range, scheme);
      add(scheme, part);
    }
  }
  return schemes;
}

std::vector<ActivationScheme> planned_activations(const std::vector<std::string>& list,
                                                  const std::string& range) {
  std::vector<ActivationScheme> schemes;
  for (const std::string& part : list) {
    schemes.push_back(parse_activations(part));
    parse_activation_range(range, schemes.back());
    if (schemes.back().kind == schemes.front().kind) continue;
    throw Error(ErrorCategory::kUsage,
                fmt::format("activations: {} and {} are of different kinds, and a plan chooses "
                            "among widths of one",
                            list.front(), part));
  }
  std::ranges::sort(schemes, {}, &ActivationScheme::bits);
  const auto twice = std::ranges::adjacent_find(schemes, {}, &ActivationScheme::bits);
  if (twice == schemes.end()) return schemes;
  throw Error(ErrorCategory::kUsage,
              fmt::format("activations: {} bits are there twice", twice->bits));
}

}  // namespace narrow
