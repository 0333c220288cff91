// Several schemes at once: every kind with every width, granularity, range and format.
#pragma once

#include <string>
#include <vector>

#include "narrow/export.h"
#include "narrow/scheme.h"

namespace narrow {

struct SchemeLists {
  std::vector<std::string> schemes;  // names; "fixed-point-decimal" for decimal scaling
  std::vector<std::string> granularities;
  std::vector<std::string> ranges;
  std::vector<int> widths;
  std::vector<FixedFormat> formats = {{}};  // of fixed-point, each with every width
  std::vector<NamedFormat> named = {};      // besides: fixed point of these formats and widths
};

// Every scheme with every granularity, range and width, in that order. Combinations that do not
// exist (symmetric with 1 bit, a codebook with a range or more than 8 bits, a given format with a
// range) are left out, and `left_out` says which. Throws Error(kUsage) when nothing remains.
NARROW_EXPORT std::vector<Scheme> expand_schemes(const SchemeLists& lists,
                                                 std::vector<std::string>* left_out);

// Fixed-point formats, in the words of the command line.
struct FormatLists {
  std::vector<std::string> q;
  std::vector<std::string> ap_fixed;
  std::vector<std::string> fraction_bits;
  std::string sign;
  std::vector<std::string> round_modes = {"half-even"};
  std::vector<std::string> overflows = {"saturate"};
};

// Fills in lists.formats and lists.named: every sign, round mode and overflow with every one of the
// rest. Throws Error(kUsage) for what is no format, and for formats where lists.schemes has no
// fixed-point.
NARROW_EXPORT void apply_format_lists(const FormatLists& formats, SchemeLists& lists);

}  // namespace narrow
