#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/generate/generate.h"

namespace narrow {
namespace {

// Text of a line: a hyphen that can be copied, and no control line by accident.
std::string roff_text(const std::string& text) {
  std::string escaped;
  bool at_start = true;
  for (const char c : text) {
    if (at_start && (c == '.' || c == '\'')) escaped += "\\&";
    at_start = c == '\n';
    if (c == '\\') {
      escaped += "\\e";
    } else if (c == '-') {
      escaped += "\\-";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

// Footers are laid out by hand: they keep their lines.
std::string as_it_is(const std::string& text) { return ".nf\n" + roff_text(text) + "\n.fi\n"; }

std::string option_entry(const OptionModel& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.names) names.push_back("\\fB" + roff_text(name) + "\\fR");
  std::string text = fmt::format(".TP\n{}", fmt::join(names, ", "));
  if (!option.value.empty()) {
    text += fmt::format("{}\\fI{}\\fR", names.empty() ? "" : " ", roff_text(option.value));
  }
  text += "\n" + roff_text(option.text);
  if (!option.choices.empty()) {
    text +=
        fmt::format("; one of {}", roff_text(fmt::format("{}", fmt::join(option.choices, ", "))));
  }
  if (!option.default_value.empty()) text += "; default " + roff_text(option.default_value);
  return text + ".\n";
}

std::string synopsis(const CommandModel& command) {
  std::string text = "\\fB" + roff_text(command.path) + "\\fR";
  for (const OptionModel& option : command.options) {
    if (option.is_positional()) text += " \\fI" + roff_text(option.value) + "\\fR";
  }
  if (!command.commands.empty()) text += " \\fICOMMAND\\fR";
  return text + " [\\fIOPTIONS\\fR]\n";
}

std::string command_section(const CommandModel& command) {
  std::string text = fmt::format(".SS {}\n{}.\n.PP\n{}", roff_text(command.path),
                                 roff_text(command.text), synopsis(command));
  for (const OptionModel& option : command.options) text += option_entry(option);
  return command.footer.empty() ? text : text + ".PP\n" + as_it_is(command.footer);
}

}  // namespace

std::string manual_page(const CommandModel& program, const std::string& version) {
  std::string text = fmt::format(
      ".\\\" Made by narrow --generate man.\n.TH NARROW 1 \"\" \"narrow {}\" \"User Commands\"\n"
      ".SH NAME\nnarrow \\- quantize neural network checkpoints and tell what it costs\n"
      ".SH SYNOPSIS\n{}.SH DESCRIPTION\n{}\n.SH OPTIONS\n",
      roff_text(version), synopsis(program), roff_text(program.text));
  for (const OptionModel& option : program.options) text += option_entry(option);
  text += ".SH COMMANDS\n";
  for (const CommandModel* command : all_commands(program)) {
    if (command != &program) text += command_section(*command);
  }
  return text +
         ".SH EXIT STATUS\n.TP\n0\ndone\n.TP\n1\na check that was asked for failed\n"
         ".TP\n2\nwrong usage, or an error of input or output\n.TP\n130\ninterrupted\n"
         ".SH EXAMPLES\n" +
         as_it_is(program.footer);
}

}  // namespace narrow
