// A given fixed-point format as it is typed: the options of every command that quantizes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/parser/command.h"
#include "narrow/scheme.h"
#include "narrow/scheme_lists.h"

namespace narrow {

struct FormatOptions {
  std::string q;
  std::string ap_fixed;
  std::optional<int> fraction_bits;
  std::string sign;
  std::string round_mode;
  std::string overflow;

  // Whether any of them was given; whether one that gives the width.
  [[nodiscard]] bool any() const;
  [[nodiscard]] bool gives_bits() const { return !q.empty() || !ap_fixed.empty(); }
};

constexpr std::string_view kFormatFooter =
    "Given formats (docs/numerics.md): --q 1.6 is a sign, 1 integer and 6 fraction bits, which "
    "HLS\n"
    "calls ap_fixed<8,2> (--ap-fixed 8,2); --bits 8 --fraction-bits 6 has a sign where a block "
    "has\n"
    "negative values. Round modes and HLS's names: half-even RND_CONV, half-up RND, half-away\n"
    "RND_INF, half-zero RND_ZERO, half-down RND_MIN_INF, floor TRN, zero TRN_ZERO. Overflow:\n"
    "saturate SAT, symmetric SAT_SYM, zero SAT_ZERO, wrap WRAP.\n";

// Adds --q, --ap-fixed and --fraction-bits.
void add_given_format_options(Command& command, FormatOptions& options);
// Adds --signed.
void add_sign_option(Command& command, std::string& sign);
// Adds --signed, --round-mode and --overflow.
void add_mode_options(Command& command, FormatOptions& options);

// Adds --q to --overflow, which take lists here.
void add_format_lists(Command& command, FormatLists& formats);

// Puts the format into a scheme, and its width; scheme.bits is what was typed, 0 for nothing.
// Throws Error(kUsage) for a text that is no format, two widths that differ, or a format with a
// sign that is to have none.
void apply_format(const FormatOptions& options, Scheme& scheme);

}  // namespace narrow
