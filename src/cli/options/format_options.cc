#include "cli/options/format_options.h"

#include <fmt/format.h>

#include "cli/options/common_options.h"
#include "narrow/error.h"

namespace narrow {

bool FormatOptions::any() const {
  return gives_bits() || fraction_bits.has_value() || !sign.empty() || !round_mode.empty() ||
         !overflow.empty();
}

void add_given_format_options(Command& command, FormatOptions& options) {
  Option q = command.add_option("--q", options.q,
                                "fixed-point Qm.n: a sign, m integer and n fraction bits");
  q.type_name("M.N");
  Option ap_fixed = command.add_option("--ap-fixed", options.ap_fixed,
                                       "the same as HLS writes it: W bits, I with the sign before "
                                       "the point");
  ap_fixed.type_name("W,I").excludes(q);
  command
      .add_option("--fraction-bits", options.fraction_bits,
                  "n of fixed-point instead of the greatest that fits; may be negative")
      .type_name("N")
      .excludes(q)
      .excludes(ap_fixed);
}

void add_sign_option(Command& command, std::string& sign) {
  command
      .add_option("--signed", sign,
                  "of fixed-point codes: auto (where a block has negative values) or always")
      .one_of({"auto", "always"});
}

void add_mode_options(Command& command, FormatOptions& options) {
  add_sign_option(command, options.sign);
  command.add_option("--round-mode", options.round_mode, "of fixed-point; default half-even")
      .one_of({"half-even", "half-up", "half-away", "half-zero", "half-down", "floor", "zero"});
  command
      .add_option("--overflow", options.overflow,
                  "of fixed-point, for values that codes do not hold; default saturate")
      .one_of({"saturate", "symmetric", "zero", "wrap"});
}

void apply_format(const FormatOptions& options, Scheme& scheme) {
  if (options.gives_bits()) {
    const bool is_q = !options.q.empty();
    const NamedFormat named = is_q ? parse_q_format(options.q) : parse_ap_fixed(options.ap_fixed);
    const std::string typed = is_q ? "--q " + options.q : "--ap-fixed " + options.ap_fixed;
    if (scheme.bits != 0 && scheme.bits != named.bits) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{} has {} bits, but {} were asked for: the format gives the width",
                              typed, named.bits, scheme.bits));
    }
    if (options.sign == "auto") {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{} has a sign, which --signed auto may leave out; use --bits {} "
                              "--fraction-bits {} instead",
                              typed, named.bits, *named.format.fraction_bits));
    }
    scheme.bits = named.bits;
    scheme.format = named.format;
  }
  if (options.fraction_bits.has_value()) scheme.format.fraction_bits = options.fraction_bits;
  if (options.sign == "always") scheme.format.always_signed = true;
  if (!options.round_mode.empty()) scheme.format.round_mode = parse_round_mode(options.round_mode);
  if (!options.overflow.empty()) scheme.format.overflow = parse_overflow(options.overflow);
}

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

}  // namespace narrow
