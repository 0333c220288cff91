// An ONNX file and the files beside it that hold values of its tensors, opened for reading.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "checkpoint/onnx/onnx_layout.h"
#include "narrow/checkpoint.h"

namespace narrow {

// Where the values of a tensor lie in another file.
struct ExternalPlace {
  std::size_t file = 0;  // of OnnxSource::external_files
  std::uint64_t offset = 0;
};

class OnnxSource {
 public:
  // Throws what InputFile and scan_onnx throw, and Error: kCorrupt for external data that lies
  // outside its file or in the place of other data; kUnsupported for a location that is no plain
  // relative path, leaves the model's directory or passes a link, and for external data of a model
  // that comes out of a stream.
  explicit OnnxSource(const std::filesystem::path& path);

  [[nodiscard]] const InputFile& file() const { return file_; }
  [[nodiscard]] const OnnxLayout& layout() const { return layout_; }
  [[nodiscard]] const std::vector<InputFile>& external_files() const { return external_files_; }
  // Of every tensor; without meaning for those that are not kExternal.
  [[nodiscard]] const std::vector<ExternalPlace>& places() const { return places_; }
  // A stream over layout().tensors[index], which is not of strings.
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const;
  [[nodiscard]] std::vector<std::string> read_strings(std::size_t index) const;

 private:
  void open_external_files();
  void place_external(std::size_t index, std::size_t file);
  void check_overlaps() const;

  InputFile file_;
  OnnxLayout layout_;
  std::vector<InputFile> external_files_;
  std::vector<ExternalPlace> places_;
};

}  // namespace narrow
