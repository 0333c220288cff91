// Shell completions and the manual page: `narrow --generate WHAT`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/generate/command_model.h"

namespace narrow {

std::string bash_completion(const CommandModel& program);
std::string zsh_completion(const CommandModel& program);
std::string fish_completion(const CommandModel& program);
// For man(7) of groff and mandoc.
std::string manual_page(const CommandModel& program, const std::string& version);

// "complete-bash", "complete-zsh", "complete-fish", "man".
std::vector<std::string> generated_kinds();
// `kind` is one of these.
std::string generate(const CommandModel& program, std::string_view kind,
                     const std::string& version);

// Every command of the program with itself first, parents before their children.
std::vector<const CommandModel*> all_commands(const CommandModel& program);

// 'text' for a shell that has no escapes inside single quotes but the given one for the quote.
std::string single_quoted(const std::string& text, std::string_view escaped_quote);

}  // namespace narrow
