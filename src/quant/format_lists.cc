#include "narrow/scheme_lists.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "narrow/error.h"

namespace narrow {
namespace {

int parse_fraction_bits(const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  throw Error(ErrorCategory::kUsage,
              fmt::format("fraction bits: '{}' is no whole number; several are separated by "
                          "commas: 4,6,8",
                          text));
}

// All of `modes` with the fraction bits, sign and width of one format.
template <typename Add>
void for_each_mode(const FormatLists& formats, FixedFormat format, const Add& add) {
  for (const std::string& round_mode : formats.round_modes) {
    format.round_mode = parse_round_mode(round_mode);
    for (const std::string& overflow : formats.overflows) {
      format.overflow = parse_overflow(overflow);
      add(format);
    }
  }
}

std::vector<NamedFormat> named_formats(const FormatLists& formats) {
  std::vector<NamedFormat> named;
  for (const std::string& text : formats.q) named.push_back(parse_q_format(text));
  for (const std::string& text : formats.ap_fixed) named.push_back(parse_ap_fixed(text));
  if (!named.empty() && formats.sign == "auto") {
    throw Error(
        ErrorCategory::kUsage,
        "formats by q and ap-fixed have a sign, which signed=auto may leave out; use widths "
        "and fraction bits instead");
  }
  return named;
}

}  // namespace

void apply_format_lists(const FormatLists& formats, SchemeLists& lists) {
  FixedFormat format;
  format.always_signed = formats.sign == "always";
  std::vector<std::optional<int>> fraction_bits = {std::nullopt};
  if (!formats.fraction_bits.empty()) {
    fraction_bits.clear();
    for (const std::string& text : formats.fraction_bits) {
      fraction_bits.emplace_back(parse_fraction_bits(text));
    }
  }
  lists.formats.clear();
  for (const std::optional<int>& n : fraction_bits) {
    format.fraction_bits = n;
    for_each_mode(formats, format, [&](const FixedFormat& one) { lists.formats.push_back(one); });
  }
  lists.named.clear();
  for (const NamedFormat& named : named_formats(formats)) {
    for_each_mode(formats, named.format, [&](const FixedFormat& one) {
      lists.named.push_back({named.bits, one});
    });
  }
  // Fixed point with every width is among the schemes that are there without --schemes and --q.
  const bool has_fixed_point =
      lists.schemes.empty()
          ? lists.named.empty()
          : std::ranges::find(lists.schemes, "fixed-point") != lists.schemes.end();
  const bool are_default = lists.formats.size() == 1 && lists.formats.front() == FixedFormat();
  if (are_default || has_fixed_point) return;
  if (!lists.named.empty() && formats.fraction_bits.empty()) return;  // the modes are of those
  throw Error(
      ErrorCategory::kUsage,
      formats.fraction_bits.empty()
          ? "sign, rounding and overflow belong to fixed-point, which is not among the schemes"
          : "fraction bits belong to fixed-point with the widths in bits: name it among the "
            "schemes, or leave fraction bits out");
}

}  // namespace narrow
