#include "output.h"

#include <fmt/format.h>

#include <system_error>
#include <vector>

#include "base/file.h"
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

TextOutput::TextOutput(const OutputArguments& output) : name_(output.path.filename().string()) {
  if (output.path.empty()) return;
  const auto directory = output.path.has_parent_path() ? output.path.parent_path() : ".";
  staged_.emplace(directory, std::vector<std::string>{name_}, overwrite_of(output));
}

void TextOutput::write(std::string_view text) {
  if (!staged_) return;
  OutputFile file(staged_->staging_path(name_));
  file.write(text);
  file.finish();
  staged_->commit();
}

}  // namespace narrow::python
