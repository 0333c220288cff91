#include "narrow/execution.h"

#include <fmt/format.h>

#include <array>

#include "narrow/error.h"

namespace narrow {
namespace {

struct ExecutionName {
  Execution execution;
  std::string_view name;
};
constexpr std::array kNames = {
    ExecutionName{Execution::kDefault, "default"}, ExecutionName{Execution::kFloat, "float"},
    ExecutionName{Execution::kSimulate, "simulate"}, ExecutionName{Execution::kInteger, "integer"}};

}  // namespace

std::string_view to_string(Execution execution) noexcept {
  for (const ExecutionName& known : kNames) {
    if (known.execution == execution) return known.name;
  }
  return "";
}

Execution parse_execution(std::string_view name) {
  for (const ExecutionName& known : kNames) {
    if (known.name == name) return known.execution;
  }
  throw Error(ErrorCategory::kUsage,
              fmt::format("the execution is '{}', expected float, simulate or integer", name));
}

}  // namespace narrow
