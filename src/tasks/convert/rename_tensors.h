// New names of tensors by a table and by rules.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "narrow/convert_checkpoint.h"

namespace re2 {
class RE2;
}

namespace narrow {

class Renamer {
 public:
  // Throws Error(kUsage) as parse_rename_rule does.
  Renamer(const std::map<std::string, std::string>& names, const std::vector<RenameRule>& rules);
  ~Renamer();
  Renamer(const Renamer&) = delete;
  Renamer& operator=(const Renamer&) = delete;

  // Throws Error(kUsage) for a name that becomes empty or longer than a name may be.
  std::string rename(const std::string& name);
  // Of rules and entries of the table that have changed nothing, a sentence each.
  [[nodiscard]] std::vector<std::string> notes() const;

 private:
  struct Rule {
    std::string pattern;
    std::unique_ptr<re2::RE2> regex;
    std::string rewrite;  // in RE2's syntax
    std::size_t matches = 0;
  };

  const std::map<std::string, std::string>& names_;
  std::vector<Rule> rules_;
  std::map<std::string, bool> is_found_;
};

}  // namespace narrow
