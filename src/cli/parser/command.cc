#include "cli/parser/command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "cli/console/standard_streams.h"

namespace narrow {
namespace {

class FirstNameFormatter : public CLI::Formatter {
 public:
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    if (is_positional || option->get_lnames().empty()) {
      return CLI::Formatter::make_option_name(option, is_positional);
    }
    const std::string name = "--" + option->get_lnames().front();
    if (option->get_snames().empty()) return name;
    return fmt::format("-{},{}", option->get_snames().front(), name);
  }
};

// CLI11's own checks of this kind name the largest double in their sentences.
CLI::Validator finite_number(const char* kind, bool (*is_of_kind)(double)) {
  const auto check = [=](const std::string& text) -> std::string {
    double value = 0;
    if (CLI::detail::lexical_cast(text, value) && std::isfinite(value) && is_of_kind(value)) {
      return {};
    }
    return fmt::format("{} is not a number {}", text, kind);
  };
  return {check, ""};
}

// Of an option that takes several values CLI11 splits one in brackets at its commas, unless it may
// not take extra arguments; then a positional one takes words as long as it lacks some.
void take_words_as_they_stand(CLI::Option& option) {
  constexpr int kMost = CLI::detail::expected_max_vector_size;
  option.allow_extra_args(false);
  option.multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  if (option.get_positional()) option.expected(kMost - 1, kMost);
}

template <typename T>
CLI::Validator number_within(T least, T greatest) {
  return CLI::Range(least, greatest).description(fmt::format("{}..{}", least, greatest));
}

// The conversion to unsigned numbers takes -1 for the largest one.
CLI::Validator no_sign() {
  return {[](const std::string& text) {
            return text.find('-') == std::string::npos ? std::string()
                                                       : text + " is negative, expected 0 or more";
          },
          ""};
}

}  // namespace

Option& Option::required() {
  option_->required();
  return *this;
}
Option& Option::type_name(const std::string& name) {
  option_->type_name(name);
  return *this;
}
Option& Option::capture_default_str() {
  option_->capture_default_str();
  return *this;
}
Option& Option::description(const std::string& text) {
  option_->description(text);
  return *this;
}
Option& Option::group(const std::string& name) {
  option_->group(name);
  return *this;
}
Option& Option::one_of(const std::vector<std::string>& choices) {
  option_->check(CLI::IsMember(choices));
  return *this;
}
Option& Option::one_of(const std::vector<std::string>& choices, const std::string& shown) {
  option_->check(CLI::IsMember(choices).description(shown));
  return *this;
}
Option& Option::one_of_numbers(const std::vector<int>& choices) {
  option_->check(CLI::IsMember(choices));
  return *this;
}
Option& Option::in_range(int least, int greatest) {
  option_->check(number_within(least, greatest));
  return *this;
}
Option& Option::in_range(double least, double greatest) {
  option_->check(number_within(least, greatest));
  return *this;
}
Option& Option::not_negative() {
  option_->check(finite_number("of at least 0", [](double value) { return value >= 0; }));
  return *this;
}
Option& Option::positive() {
  option_->check(finite_number("above 0", [](double value) { return value > 0; }));
  return *this;
}
Option& Option::expected(int count) {
  option_->expected(count);
  return *this;
}
Option& Option::expected(int least, int most) {
  option_->expected(least, most);
  return *this;
}
Option& Option::take_all() {
  option_->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  return *this;
}
Option& Option::delimiter(char separator) {
  option_->delimiter(separator);
  return *this;
}
Option& Option::excludes(const Option& other) {
  option_->excludes(other.option_);
  return *this;
}

Command Command::add_subcommand(const std::string& name, const std::string& text) {
  return Command(app_->add_subcommand(name, text));
}
void Command::require_subcommand(int count) { app_->require_subcommand(count); }
void Command::footer(const std::string& text) { app_->footer(text); }
void Command::group(const std::string& name) { app_->option_defaults()->group(name); }
void Command::show_first_names() {
  auto formatter = std::make_shared<FirstNameFormatter>();
  formatter->column_width(app_->get_formatter()->get_column_width());
  app_->formatter(formatter);
}
void Command::callback(std::function<void()> run) {
  app_->callback([app = app_, run = std::move(run)] {
    const CLI::Option* json = app->get_option_no_throw("--json");
    if (json != nullptr && json->count() > 0) claim_standard_output("--json");
    run();
  });
}

template <typename T>
Option Command::add_option(const std::string& names, T& value, const std::string& text) {
  CLI::Option* option = app_->add_option(names, value, text);
  if (option->get_allow_extra_args()) take_words_as_they_stand(*option);
  if constexpr (std::is_unsigned_v<T>) option->check(no_sign());
  return Option(option);
}
template Option Command::add_option(const std::string&, std::string&, const std::string&);
template Option Command::add_option(const std::string&, int&, const std::string&);
template Option Command::add_option(const std::string&, double&, const std::string&);
template Option Command::add_option(const std::string&, std::int64_t&, const std::string&);
template Option Command::add_option(const std::string&, std::uint64_t&, const std::string&);
template Option Command::add_option(const std::string&, std::filesystem::path&, const std::string&);
template Option Command::add_option(const std::string&, std::optional<int>&, const std::string&);
template Option Command::add_option(const std::string&, std::optional<double>&, const std::string&);
template Option Command::add_option(const std::string&, std::vector<std::string>&,
                                    const std::string&);
template Option Command::add_option(const std::string&, std::vector<int>&, const std::string&);

template <typename T>
Option Command::add_option_function(const std::string& names,
                                    const std::function<void(const T&)>& take,
                                    const std::string& text) {
  return Option(app_->add_option_function<T>(names, take, text));
}
template Option Command::add_option_function(const std::string&,
                                             const std::function<void(const std::string&)>&,
                                             const std::string&);
template Option Command::add_option_function(const std::string&,
                                             const std::function<void(const int&)>&,
                                             const std::string&);

Option Command::add_flag(const std::string& names, bool& value, const std::string& text) {
  return Option(app_->add_flag(names, value, text));
}
Option Command::add_flag_function(const std::string& names,
                                  const std::function<void(std::int64_t)>& take,
                                  const std::string& text) {
  return Option(app_->add_flag_function(names, take, text));
}

Option Command::get_option(const std::string& name) { return Option(app_->get_option(name)); }
std::size_t Command::count(const std::string& name) const { return app_->count(name); }

}  // namespace narrow
