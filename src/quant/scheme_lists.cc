#include "narrow/scheme_lists.h"

#include <fmt/format.h>

#include <string_view>

#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::string_view kDecimal = "fixed-point-decimal";
constexpr const char* kFixedPoint = "fixed-point";

Scheme named_scheme(const std::string& name) {
  Scheme scheme;
  if (name == kDecimal) {
    scheme.kind = SchemeKind::kFixedPoint;
    scheme.scaling = Scaling::kDecimal;
  } else {
    scheme.kind = parse_scheme_kind(name);
  }
  return scheme;
}

bool is_binary_fixed_point(const Scheme& scheme) {
  return scheme.kind == SchemeKind::kFixedPoint && scheme.scaling == Scaling::kBinary;
}

bool is_valid(const Scheme& scheme) {
  try {
    validate(scheme);
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

std::vector<Scheme> expand_schemes(const SchemeLists& lists, std::vector<std::string>* left_out) {
  std::vector<Scheme> schemes;
  const auto add = [&](const std::string& name, const Scheme& scheme) {
    if (is_valid(scheme)) {
      schemes.push_back(scheme);
      return;
    }
    std::string text = name;
    if (has_format(scheme)) text += ", " + to_text(scheme.format, scheme.bits) + ",";
    left_out->push_back(
        fmt::format("{} with range {} and {} bits", text, to_string(scheme.range), scheme.bits));
  };
  const auto with_blocks = [&](Scheme scheme, const auto& add_widths_of) {
    for (const std::string& granularity : lists.granularities) {
      for (const std::string& range : lists.ranges) {
        scheme.granularity = parse_granularity(granularity);
        scheme.range = parse_range(range);
        add_widths_of(scheme);
      }
    }
  };
  for (const std::string& name : lists.schemes) {
    const Scheme scheme = named_scheme(name);
    const bool has_formats = is_binary_fixed_point(scheme);
    for (const FixedFormat& format : has_formats ? lists.formats : std::vector(1, FixedFormat())) {
      with_blocks(scheme, [&](Scheme one) {
        one.format = format;
        for (const int width : lists.widths) {
          one.bits = width;
          add(name, one);
        }
      });
    }
  }
  for (const NamedFormat& named : lists.named) {
    with_blocks(named_scheme(kFixedPoint), [&](Scheme one) {
      one.bits = named.bits;
      one.format = named.format;
      add(kFixedPoint, one);
    });
  }
  if (schemes.empty()) {
    throw Error(ErrorCategory::kUsage, "none of the schemes exists with these widths and ranges");
  }
  return schemes;
}

}  // namespace narrow
