// Numbers that lie in an ONNX file each with a tag, or with a length of their own: as values, and
// back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "checkpoint/container/wire_cursor.h"
#include "checkpoint/onnx/onnx_layout.h"
#include "narrow/checkpoint.h"

namespace narrow {

// The numbers of a tensor of kVarints or kFixed one after another.
class NumberReader {
 public:
  NumberReader(const InputFile& file, const OnnxTensor& tensor);

  [[nodiscard]] bool at_end() const { return cursor_.at_end(); }
  // The next number, of which the lowest entry_bytes count. Throws Error(kCorrupt) at the end.
  std::uint64_t next();
  // The bytes of the file that next() has read last.
  void copy_last(std::vector<std::byte>& out);

 private:
  WireCursor cursor_;
  std::uint64_t last_ = 0;  // where it began
  bool is_tagged_;
  bool is_fixed_;
  std::size_t entry_bytes_;
};

class NumberStream final : public TensorStream {
 public:
  NumberStream(const InputFile& file, const OnnxTensor& tensor);
  void read(std::span<std::byte> out) override;

 private:
  NumberReader numbers_;
  std::string name_;
  std::string where_;
  std::size_t entry_bytes_;
  std::uint64_t left_;
  std::array<std::byte, sizeof(std::uint64_t)> entry_{};
  std::size_t given_;  // bytes of entry_
};

// Values in the form that a tensor has them. Numbers that are what they were stay the same bytes.
class NumberEncoder {
 public:
  NumberEncoder(const InputFile& file, const OnnxTensor& tensor);
  // Appends to `out` the numbers that `values` completes; pieces may cut a number.
  void encode(std::span<const std::byte> values, std::vector<std::byte>& out);

 private:
  void encode_entry(std::vector<std::byte>& out);

  NumberReader original_;
  OnnxStorage storage_;
  OnnxField field_;
  bool is_tagged_;
  bool is_signed_;
  std::size_t entry_bytes_;
  std::array<std::byte, sizeof(std::uint64_t)> entry_{};
  std::size_t filled_ = 0;
};

// Appends a varint, or the tag of a field.
void append_varint(std::uint64_t value, std::vector<std::byte>& out);
void append_tag(WireTag tag, std::vector<std::byte>& out);
// Appends a field of text.
void append_text(std::uint32_t field, std::string_view text, std::vector<std::byte>& out);

// The field of `strings`. Those that are what they were stay the same bytes; as many as there are.
std::vector<std::byte> encode_onnx_strings(const InputFile& file, const OnnxTensor& tensor,
                                           std::span<const std::string> strings);

}  // namespace narrow
