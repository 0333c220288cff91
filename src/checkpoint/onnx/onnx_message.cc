#include "checkpoint/onnx/onnx_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/onnx/onnx_copy.h"
#include "checkpoint/onnx/onnx_scanner.h"
#include "narrow/error.h"

namespace narrow {

onnx::ModelProto read_onnx_message(const std::filesystem::path& path,
                                   std::uint64_t most_value_bytes) {
  const InputFile file(path);
  const OnnxLayout layout = scan_onnx(file);
  std::vector<OnnxEdit> edits;
  std::vector<OnnxGrowth> growths;
  for (const OnnxTensor& tensor : layout.tensors) {
    if (tensor.values.size() <= most_value_bytes) continue;
    edits.push_back({tensor.values, {}, tensor.message});
    growths.push_back({tensor.message, edits.back().growth()});
  }
  for (OnnxEdit& edit : edit_lengths(layout, growths)) edits.push_back(std::move(edit));
  std::string text;
  OnnxCopy copy(file, std::move(edits), [&](std::span<const std::byte> bytes) {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  copy.finish();
  onnx::ModelProto model;
  if (!model.ParseFromString(text)) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} is damaged: its messages cannot be parsed", path.string()));
  }
  return model;
}

bool lacks_values(const onnx::TensorProto& tensor) {
  return !tensor.has_raw_data() && tensor.float_data_size() == 0 && tensor.int32_data_size() == 0 &&
         tensor.int64_data_size() == 0 && tensor.double_data_size() == 0 &&
         tensor.uint64_data_size() == 0 && tensor.string_data_size() == 0 &&
         tensor.data_location() != onnx::TensorProto::EXTERNAL &&
         std::ranges::find(tensor.dims(), 0) == tensor.dims().end();
}

}  // namespace narrow
