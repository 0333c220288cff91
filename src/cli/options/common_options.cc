#include "cli/options/common_options.h"

#include "cli/options/scheme_lists.h"

namespace narrow {

void add_threads_option(Command& command, int& threads) {
  constexpr int kMostThreads = 1024;
  command.add_option("--threads", threads, "0: all cores").in_range(0, kMostThreads);
}

void add_force_flag(Command& command, bool& force, const std::string& help) {
  command.add_flag("--force", force, help);
}

void add_json_flag(Command& command, bool& json, const std::string& help) {
  command.add_flag("--json", json, help);
}

void add_non_finite_option(Command& command, NonFinitePolicy& policy) {
  command
      .add_option_function<std::string>(
          "--nonfinite",
          [&policy](const std::string& word) {
            policy = word == "keep" ? NonFinitePolicy::kKeep : NonFinitePolicy::kError;
          },
          "tensors with NaN or infinity: error, or keep them unchanged")
      .one_of({"error", "keep"});
}

void add_execution_option(Command& command, Execution& execution) {
  command
      .add_option_function<std::string>(
          "--execution",
          [&execution](const std::string& name) { execution = parse_execution(name); },
          "of quantized values: float, simulate or integer;\n"
          "default integer where values between operators are codes, else float")
      .type_name("HOW")
      .one_of({"float", "simulate", "integer"});
}

Option add_list_option(Command& command, const char* name, std::vector<std::string>& list,
                       const char* type, const char* help) {
  return command
      .add_option_function<std::string>(
          name, [&list](const std::string& value) { list = split_list(value); }, help)
      .type_name(type);
}

Option add_repeatable_option(Command& command, const char* name, std::vector<std::string>& values,
                             const char* type, const char* help) {
  return command.add_option(name, values, help).type_name(type).expected(1).take_all();
}

}  // namespace narrow
