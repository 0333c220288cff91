// Rules: what becomes of the tensors whose names match a pattern, one width and scheme each.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "narrow/channel_axes.h"
#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/quantize_plan.h"
#include "narrow/scheme.h"
#include "narrow/selection.h"

namespace narrow {

// A scheme as far as it was given.
struct PartialScheme {
  Scheme scheme;
  bool has_kind = false;
  bool has_bits = false;
  bool has_granularity = false;
  bool has_range = false;

  [[nodiscard]] bool is_complete() const { return has_kind && has_bits; }
};

// Keys and values as rules have them ("granularity", "channel"), each key once.
using SchemeSettings = std::vector<std::pair<std::string, std::string>>;

// The scheme that they make, whatever order they come in; q and ap-fixed, fraction-bits, signed,
// round-mode and overflow stand for scheme=fixed-point too. Throws Error(kUsage): a key or value
// that there is not, settings that contradict each other, a scheme that is whole and not valid.
NARROW_EXPORT PartialScheme parse_settings(const SchemeSettings& settings);

// 'GLOB: bits=4 scheme=symmetric granularity=channel range=mse axis=0', or 'GLOB: keep' for tensors
// that are copied. The last ": " ends the pattern (see Selection), which may hold colons and
// blanks.
struct SchemeRule {
  std::string text;  // as it was given, for sentences
  std::string pattern;
  bool keeps = false;
  SchemeSettings settings;
};

// Throws Error(kUsage) that says what is not understood and what there is.
NARROW_EXPORT SchemeRule parse_scheme_rule(std::string_view text);

// A rule a line; empty lines and lines that begin with # count nothing, nor do blanks around a
// rule. Throws what parse_scheme_rule throws, naming `file` and the line.
NARROW_EXPORT std::vector<SchemeRule> parse_scheme_rules(std::string_view lines,
                                                         const std::string& file);
// The same of a file; Error(kNotFound, kIo) too.
NARROW_EXPORT std::vector<SchemeRule> read_scheme_rules(const std::filesystem::path& path);

// The keys of rules and their values, a line each.
NARROW_EXPORT std::string rule_keys_text();

// Every tensor of the checkpoint in file order. Of those that `selection` selects, each gets what
// the first rule that matches it says, and from `base` what that rule does not say; without a rule
// `base`, or no scheme when that is not complete. Without include patterns a rule selects training
// state too, as an include pattern does: when it spells out what makes it that.
// Throws Error: kNotFound for a rule that matches none of the selected tensors; kUsage for a rule
// that leaves no whole or no valid scheme; what make_plan throws.
NARROW_EXPORT QuantizePlan make_rule_plan(const CheckpointReader& reader,
                                          const std::vector<SchemeRule>& rules,
                                          const PartialScheme& base, Selection selection,
                                          const AxisRules& axes = {});

}  // namespace narrow
