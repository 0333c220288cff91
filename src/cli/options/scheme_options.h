// What a value becomes, as it is typed: the options about schemes of every command that quantizes.
#pragma once

#include <string>
#include <vector>

#include "cli/options/format_options.h"
#include "cli/options/width_lists.h"
#include "cli/parser/command.h"
#include "narrow/scheme.h"
#include "narrow/scheme_lists.h"

namespace narrow {

// One scheme.
struct SchemeOptions {
  std::string kind;
  std::string granularity = "tensor";
  std::vector<std::string> axes;
  std::string scaling = "binary";
  std::string range = "minmax";
  FormatOptions format;

  // Formats are of fixed point, which need not be said.
  [[nodiscard]] bool has_kind() const { return !kind.empty() || format.any(); }
  // `bits`: the width that was typed, 0 for none, as formats may give it. Throws Error(kUsage) for
  // a text that is no such value, and what apply_format throws. Not validated.
  [[nodiscard]] Scheme scheme(int bits) const;
};

// Adds --scheme.
Option add_kind_option(Command& command, SchemeOptions& options, const std::string& help);
// Adds --granularity, --axis and --scaling, then what add_range_option adds.
void add_block_options(Command& command, SchemeOptions& options);
// Adds --range.
void add_range_option(Command& command, SchemeOptions& options);

// Several schemes: every kind with every width, granularity, range and format.
struct SchemeListOptions {
  std::string widths = "1..16";
  SchemeLists lists{{}, {"tensor"}, {"minmax"}, {}};
  FormatLists formats;
  std::vector<std::string> axes;

  // Bins and fixed point where no kind and no format was typed. Throws Error(kUsage) like
  // apply_format_lists and expand_schemes, which fills in `left_out`.
  [[nodiscard]] std::vector<Scheme> schemes(std::vector<std::string>* left_out) const;
};

// Adds --bits to --axis, which take lists here.
void add_scheme_list_options(Command& command, SchemeListOptions& options);

}  // namespace narrow
