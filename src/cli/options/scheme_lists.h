// Several schemes and widths on a command line.
#pragma once

#include <string>
#include <vector>

#include "narrow/scheme.h"

namespace narrow {

// "1..4,8,12..16": the widths in ascending order, each once. Throws Error(kUsage) naming what is
// not understood, or widths outside 1..32.
std::vector<int> parse_widths(const std::string& text);

// "a,b": {"a", "b"}.
std::vector<std::string> split_list(const std::string& text);

// Every scheme with every granularity, range and width, in that order. Combinations that do not
// exist (symmetric with 1 bit, a codebook with a range or more than 8 bits, a given format with a
// range) are left out, and `left_out` says which. Throws Error(kUsage) when nothing remains.
struct SchemeLists {
  std::vector<std::string> schemes;  // names; "fixed-point-decimal" for decimal scaling
  std::vector<std::string> granularities;
  std::vector<std::string> ranges;
  std::vector<int> widths;
  std::vector<FixedFormat> formats = {{}};  // of fixed-point, each with every width
  std::vector<NamedFormat> named = {};      // besides: fixed point of these formats and widths
};
std::vector<Scheme> expand_schemes(const SchemeLists& lists, std::vector<std::string>* left_out);

}  // namespace narrow
