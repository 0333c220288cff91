// The file beside a new ONNX file in which the values lie that had files of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "checkpoint/onnx/onnx_copy.h"
#include "checkpoint/onnx/onnx_source.h"

namespace narrow {

class ExternalOutput {
 public:
  // Tensors keep their order, and each the power of two that its offset was a multiple of, up to
  // 4096. The file is created at `path`; `name` is what the model calls it. `source` must outlive
  // this.
  ExternalOutput(const OnnxSource& source, const std::filesystem::path& path, std::string name);

  // What the model has to say about the places of its tensors, where that changes.
  [[nodiscard]] std::vector<OnnxEdit> edits() const;
  // Bytes of the values of tensor `index` from `byte_offset` on.
  void write_at(std::size_t index, std::uint64_t byte_offset, std::span<const std::byte> bytes);
  // The values that the tensor has in the source.
  void copy(std::size_t index);
  void finish() { file_.finish(); }

 private:
  const OnnxSource& source_;
  std::string name_;
  std::vector<std::uint64_t> offsets_;  // of every tensor; of others than kExternal 0
  ScatteredOutputFile file_;
};

}  // namespace narrow
