#include "cli/options/common_options.h"

#include <fmt/format.h>

#include "cli/options/width_lists.h"
#include "narrow/error.h"

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

void add_requantize_option(Command& command, IntegerArithmetic& arithmetic) {
  command
      .add_option_function<std::string>(
          "--requantize",
          [&arithmetic](const std::string& name) { arithmetic.mode = parse_requantization(name); },
          "sums of integers by float32 factors (the default), by 31-bit multipliers as TensorFlow\n"
          "Lite does, or by shifts where all scales are powers of two")
      .type_name("HOW")
      .one_of({"float", "multiplier", "shift"});
}

void add_execution_option(Command& command, Execution& execution, IntegerArithmetic& arithmetic) {
  command
      .add_option_function<std::string>(
          "--execution",
          [&execution](const std::string& name) { execution = parse_execution(name); },
          "of quantized values: float, simulate or integer;\n"
          "default integer where values between operators are codes, else float")
      .type_name("HOW")
      .one_of({"float", "simulate", "integer"});
  add_requantize_option(command, arithmetic);
  command
      .add_option_function<std::string>(
          "--round-mode",
          [&arithmetic](const std::string& name) {
            arithmetic.round_mode = parse_round_mode(name);
          },
          "of --requantize shift")
      .type_name("MODE")
      .one_of({"half-even", "half-up", "half-away", "half-zero", "half-down", "floor", "zero"});
  command
      .add_option_function<std::string>(
          "--overflow",
          [&arithmetic](const std::string& name) { arithmetic.overflow = parse_overflow(name); },
          "of --requantize shift")
      .type_name("HOW")
      .one_of({"saturate", "symmetric", "zero", "wrap"});
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

void refuse_without(const Command& command, bool is_needed_used, const char* needed,
                    const std::vector<std::string>& options) {
  if (is_needed_used) return;
  for (const std::string& option : options) {
    if (command.count(option) == 0) continue;
    throw Error(ErrorCategory::kUsage, fmt::format("{} goes with {}", option, needed));
  }
}

}  // namespace narrow
