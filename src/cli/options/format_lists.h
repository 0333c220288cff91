// Several fixed-point formats on a command line.
#pragma once

#include <string>
#include <vector>

#include "cli/options/scheme_lists.h"
#include "cli/parser/command.h"

namespace narrow {

struct FormatLists {
  std::vector<std::string> q;
  std::vector<std::string> ap_fixed;
  std::vector<std::string> fraction_bits;
  std::string sign;
  std::vector<std::string> round_modes = {"half-even"};
  std::vector<std::string> overflows = {"saturate"};
};

// Adds --q to --overflow, which take lists here.
void add_format_lists(Command& command, FormatLists& formats);

// Fills in lists.formats and lists.named: every sign, round mode and overflow with every one of the
// rest. Throws Error(kUsage) for what is no format, and for formats where lists.schemes has no
// fixed-point.
void apply_format_lists(const FormatLists& formats, SchemeLists& lists);

}  // namespace narrow
