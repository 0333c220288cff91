// Copies of an ONNX file with some of its bytes exchanged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/file.h"
#include "checkpoint/onnx/onnx_layout.h"

namespace narrow {

// Other bytes in the place of `range`, which may be empty.
struct OnnxEdit {
  FileRange range;
  std::vector<std::byte> bytes;
  std::size_t message = kNoMessage;  // the innermost one around `range`

  [[nodiscard]] std::int64_t growth() const {
    return static_cast<std::int64_t>(bytes.size()) - static_cast<std::int64_t>(range.size());
  }
};

// By how much the content of `message` grows at one place.
struct OnnxGrowth {
  std::size_t message = kNoMessage;
  std::int64_t bytes = 0;
};

// Edits of all lengths that are others when messages grow like that.
std::vector<OnnxEdit> edit_lengths(const OnnxLayout& layout, std::span<const OnnxGrowth> growths);

// Hands on the bytes of a file from its begin to its end, edited.
class OnnxCopy {
 public:
  using Sink = std::function<void(std::span<const std::byte>)>;

  // The edits do not overlap. `file` must outlive this.
  OnnxCopy(const InputFile& file, std::vector<OnnxEdit> edits, Sink sink);

  // Everything before the byte `offset` of the file that has not been handed on.
  void copy_to(std::uint64_t offset);
  // Goes on at `offset` without what lies before it.
  void skip_to(std::uint64_t offset) { position_ = offset; }
  // The rest.
  void finish();

 private:
  void copy_bytes(std::uint64_t end);

  const InputFile& file_;
  std::vector<OnnxEdit> edits_;
  Sink sink_;
  std::size_t next_edit_ = 0;
  std::uint64_t position_ = 0;
  std::vector<std::byte> buffer_;
};

// Hands on [begin, end) of `file` in bounded pieces; `buffer` is room for one.
void copy_range(const InputFile& file, FileRange range, std::vector<std::byte>& buffer,
                const OnnxCopy::Sink& sink);

}  // namespace narrow
