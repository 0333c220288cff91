// The names of the files that an ONNX model is written into.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace narrow {

// Of the file of external data beside a model.
inline std::string onnx_data_name(const std::string& model_name) { return model_name + ".data"; }

// Throws Error(kUsage) when the path names a directory.
std::vector<std::string> onnx_result_names(const std::filesystem::path& path, bool with_data);

}  // namespace narrow
