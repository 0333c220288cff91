// How a command tells the argument parser, CLI11, what it takes. CLI11 is code in headers, seconds
// of compile time for each file that sees them: these handles keep them out of most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace narrow {

// An option or argument of a command; a handle, valid as long as the program's parser.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option& required();
  // How help shows the value.
  Option& type_name(const std::string& name);
  // Help shows the value that the variable has now.
  Option& capture_default_str();
  Option& description(const std::string& text);
  Option& group(const std::string& name);

  // Checks: any other value ends in a usage error.
  Option& one_of(const std::vector<std::string>& choices);
  // `shown`: how help names them.
  Option& one_of(const std::vector<std::string>& choices, const std::string& shown);
  Option& one_of_numbers(const std::vector<int>& choices);
  Option& in_range(int least, int greatest);
  Option& in_range(double least, double greatest);
  Option& not_negative();
  Option& positive();

  // How many values one use of the option takes.
  Option& expected(int count);
  Option& expected(int least, int most);
  // It may be used again and again: the variable gets the values of all uses.
  Option& take_all();
  // What separates several values in one word.
  Option& delimiter(char separator);
  // The two cannot be used together.
  Option& excludes(const Option& other);

 private:
  CLI::Option* option_;
};

// The program or one of its commands; a handle like Option.
class Command {
 public:
  explicit Command(CLI::App* app) : app_(app) {}

  [[nodiscard]] Command add_subcommand(const std::string& name, const std::string& text);
  void require_subcommand(int count);
  void footer(const std::string& text);
  // The heading of the options that are added from now on.
  void group(const std::string& name);
  // Help shows the first name of every option only.
  void show_first_names();
  // What the command does, once its arguments are known.
  void callback(std::function<void()> run);

  // `names` as CLI11 takes them: "-o,--output", "checkpoint" for a positional argument. The value
  // is converted and put into `value`. T: one of those that command.cc instantiates.
  template <typename T>
  Option add_option(const std::string& names, T& value, const std::string& text);
  // The value goes to `take`. T: std::string or int.
  template <typename T>
  Option add_option_function(const std::string& names, const std::function<void(const T&)>& take,
                             const std::string& text);
  Option add_flag(const std::string& names, bool& value, const std::string& text);
  // `take` gets the sum over its uses: 1 for each, -1 for --flag=false, n for --flag=n.
  Option add_flag_function(const std::string& names, const std::function<void(std::int64_t)>& take,
                           const std::string& text);

  [[nodiscard]] Option get_option(const std::string& name);
  // How often an option was given.
  [[nodiscard]] std::size_t count(const std::string& name) const;
  // For what looks at all of a command.
  [[nodiscard]] const CLI::App& parser() const { return *app_; }

 private:
  CLI::App* app_;
};

}  // namespace narrow
