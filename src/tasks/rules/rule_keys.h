// What a rule can say: a table of keys.
#pragma once

#include <span>
#include <string_view>

#include "narrow/scheme_rules.h"

namespace narrow {

struct RuleKey {
  std::string_view name;
  std::string_view values;  // as help and sentences name them
  // Puts the value into `target`, whatever order the keys of a rule come in. Throws Error(kUsage).
  void (*set)(std::string_view value, PartialScheme& target);
};

// In the order in which help lists them.
std::span<const RuleKey> rule_keys() noexcept;

// Tries the value of the key `name` out. Throws Error(kUsage) for a name that is no key, with all
// of them, and for a value that the key does not have.
void require_setting(std::string_view name, std::string_view value);

}  // namespace narrow
