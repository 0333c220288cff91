#include "cli/options/scheme_lists.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>

#include "narrow/error.h"

namespace narrow {
namespace {

constexpr int kMostBits = 32;
constexpr std::string_view kDecimal = "fixed-point-decimal";
constexpr const char* kFixedPoint = "fixed-point";

// The widths of one part: "8" or "1..16".
void add_widths(std::string_view part, std::set<int>* widths) {
  const auto number = [part](std::string_view digits) {
    int value = 0;
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool is_number = status == std::errc() && end == digits.data() + digits.size();
    if (!is_number || value < 1 || value > kMostBits) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("--bits: '{}' is neither a width from 1 to {} nor a range of widths "
                              "like 2..8",
                              part, kMostBits));
    }
    return value;
  };
  const std::size_t dots = part.find("..");
  const int first = number(part.substr(0, dots));
  const int last = dots == std::string_view::npos ? first : number(part.substr(dots + 2));
  if (last < first) {
    throw Error(ErrorCategory::kUsage, fmt::format("--bits: {} runs backwards", part));
  }
  for (int width = first; width <= last; ++width) widths->insert(width);
}

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

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return parts;
}

std::vector<int> parse_widths(const std::string& text) {
  std::set<int> widths;
  for (const std::string& part : split_list(text)) add_widths(part, &widths);
  return {widths.begin(), widths.end()};
}

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
