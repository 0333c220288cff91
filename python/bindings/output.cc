#include "output.h"

#include <fmt/format.h>

#include <system_error>

#include "narrow/error.h"

namespace narrow::python {

Overwrite overwrite_of(const OutputArguments& output) {
  return output.force ? Overwrite::kYes : Overwrite::kNo;
}

CheckpointFormat format_named(const std::string& name) {
  std::string names;
  for (const CheckpointFormatTraits& traits : checkpoint_formats()) {
    if (traits.name == name) return traits.format;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", traits.name);
  }
  throw Error(ErrorCategory::kUsage,
              fmt::format("there is no format '{}'; expected one of {}", name, names));
}

CheckpointLocation location_of(const OutputArguments& output, const CheckpointReader& input) {
  const CheckpointLocation& from = input.location();
  CheckpointLocation to;
  to.format = output.format.empty() ? traits_of(from.format).result : format_named(output.format);
  to.path = output.path;
  std::error_code error;
  if (to.path == from.path || std::filesystem::equivalent(to.path, from.path, error)) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("the output {} is the input itself; choose another output", to.path.string()));
  }
  return to;
}

}  // namespace narrow::python
