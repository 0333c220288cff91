#include "cli/options/format_lists.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "cli/options/common_options.h"
#include "cli/options/format_options.h"
#include "narrow/error.h"

namespace narrow {
namespace {

int parse_fraction_bits(const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  throw Error(ErrorCategory::kUsage,
              fmt::format("--fraction-bits: '{}' is no whole number; several are separated by "
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
    throw Error(ErrorCategory::kUsage,
                "--q and --ap-fixed have a sign, which --signed auto may leave out; use --bits and "
                "--fraction-bits instead");
  }
  return named;
}

}  // namespace

void add_format_lists(Command& command, FormatLists& formats) {
  add_list_option(command, "--q", formats.q, "M.N,...",
                  "fixed-point formats Qm.n, alone or besides --schemes: 1.6,2.5");
  add_repeatable_option(command, "--ap-fixed", formats.ap_fixed, "W,I",
                        "the same as HLS writes them, again for each");
  add_list_option(command, "--fraction-bits", formats.fraction_bits, "LIST",
                  "n of fixed-point with every width, instead of the\ngreatest that fits");
  add_sign_option(command, formats.sign);
  add_list_option(command, "--round-mode", formats.round_modes, "LIST",
                  "of half-even, half-up, half-away, half-zero, half-down,\nfloor, zero; default "
                  "half-even");
  add_list_option(command, "--overflow", formats.overflows, "LIST",
                  "of saturate, symmetric, zero, wrap; default saturate");
}

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
          ? "sign, rounding and overflow belong to fixed-point, which --schemes does not name"
          : "--fraction-bits belongs to fixed-point with the widths of --bits: name it with "
            "--schemes, or leave --fraction-bits out");
}

}  // namespace narrow
