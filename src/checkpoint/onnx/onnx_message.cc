#include "checkpoint/onnx/onnx_message.h"

#include <fmt/format.h>

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

}  // namespace narrow
