#include "checkpoint/onnx/onnx_result.h"

#include <fmt/format.h>

#include <system_error>

#include "narrow/error.h"

namespace narrow {

std::vector<std::string> onnx_result_names(const std::filesystem::path& path, bool with_data) {
  std::error_code error;
  if (!path.has_filename() || std::filesystem::is_directory(path, error)) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} is a directory, but the result is one file; give it a name",
                            path.string()));
  }
  const std::string name = path.filename().string();
  if (with_data) return {name, onnx_data_name(name)};
  return {name};
}

}  // namespace narrow
