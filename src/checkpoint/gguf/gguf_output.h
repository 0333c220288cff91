// A GGUF file of version 3 on its way out: metadata, tensors, values, each at its place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/container/single_file_output.h"
#include "checkpoint/gguf/gguf_header.h"
#include "narrow/tensor.h"

namespace narrow {

// An entry of the metadata of the file that is written.
struct GgufNewEntry {
  std::string key;
  GgufValueType type = GgufValueType::kUInt32;
  std::string bytes;                  // of the value, where `copied` is null
  const GgufEntry* copied = nullptr;  // else its place in the file that metadata comes from
};

GgufNewEntry gguf_number_entry(std::string key, std::uint32_t value);
GgufNewEntry gguf_string_entry(std::string key, std::string_view value);

// Those of a file as they are.
std::vector<GgufNewEntry> copied_entries(const GgufHeader& header);
// Takes the place of the entry with that key, or comes after the others.
void set_gguf_entry(std::vector<GgufNewEntry>* entries, GgufNewEntry entry);

struct GgufNewTensor {
  std::string name;
  Shape shape;
  std::uint32_t type = 0;
  std::uint64_t size = 0;  // of the values in the file
};

// Throws Error(kUnsupported) for what llama.cpp does not read: names of more than 63 bytes, more
// than four dimensions.
void check_gguf_tensor(const TensorInfo& info);

class GgufOutput {
 public:
  // Throws what SingleFileOutput throws.
  GgufOutput(const std::filesystem::path& path, Overwrite overwrite) : output_(path, overwrite) {}

  // Once, before any values: what stands before them. `source` is the file of copied entries.
  void begin(const InputFile& source, const std::vector<GgufNewEntry>& entries,
             std::uint32_t alignment, std::vector<GgufNewTensor> tensors);
  // The next bytes of values, of the tensors in their order; none crosses the end of a tensor.
  void write(std::span<const std::byte> bytes);
  // After the last byte of the last tensor.
  void finish();
  [[nodiscard]] std::uint64_t file_bytes() { return output_.file().bytes_written(); }

 private:
  void write_entry(const InputFile& source, const GgufNewEntry& entry);
  void write_number(std::uint64_t value) { write_bytes(value); }
  void write_type(std::uint32_t value) { write_bytes(value); }
  void write_text(std::string_view text);
  template <typename T>
  void write_bytes(T value) {
    output_.file().write(std::as_bytes(std::span(&value, 1)));
  }
  void pad();

  SingleFileOutput output_;
  std::vector<GgufNewTensor> tensors_;
  std::uint32_t alignment_ = kGgufDefaultAlignment;
  std::size_t current_ = 0;    // of tensors_
  std::uint64_t written_ = 0;  // bytes of that one
};

}  // namespace narrow
