#include "cli/options/slim_flags.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/console/console.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr const char* kSlimGroup = "Flags of TF-Slim without effect here";

}  // namespace

std::string slim_flag(std::string_view name) {
  std::string dashed(name);
  std::ranges::replace(dashed, '_', '-');
  if (dashed == name) return fmt::format("--{}", name);
  return fmt::format("--{},--{}", name, dashed);
}

void add_meaningless_flag(Command& command, std::string_view name, std::string_view reason) {
  const auto say = [name = std::string(name), reason = std::string(reason)](const std::string&) {
    print_note(fmt::format("--{} is ignored: {}", name, reason));
  };
  command.add_option_function<std::string>(slim_flag(name), say, std::string(reason))
      .type_name("VALUE")
      .expected(0, 1)  // --master= has none, and must not take the next argument
      .group(kSlimGroup);
}

void add_constant_flag(Command& command, std::string_view name, int value,
                       std::string_view reason) {
  const auto check = [name = std::string(name), value, reason = std::string(reason)](int given) {
    if (given != value) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("--{} can only be {} here: {}", name, value, reason));
    }
    print_note(fmt::format("--{} is ignored: {} is all there is here", name, value));
  };
  command.add_option_function<int>(slim_flag(name), check, std::string(reason)).group(kSlimGroup);
}

void add_slim_bool(Command& command, std::string_view name, bool& value, std::string_view help) {
  command.add_flag(fmt::format("{},!--no{}", slim_flag(name), name), value, std::string(help));
}

void add_false_flag(Command& command, std::string_view name, std::string_view reason) {
  const auto check = [name = std::string(name), reason = std::string(reason)](std::int64_t value) {
    if (value > 0) throw Error(ErrorCategory::kUsage, fmt::format("--{}: {}", name, reason));
    print_note(fmt::format("--{} is ignored: false is all there is here", name));
  };
  command.add_flag_function(slim_flag(name), check, std::string(reason)).group(kSlimGroup);
}

}  // namespace narrow
