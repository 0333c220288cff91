#include "checkpoint/gguf/gguf_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "narrow/error.h"

namespace narrow {

GgufNewEntry gguf_number_entry(std::string key, std::uint32_t value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  return {std::move(key), GgufValueType::kUInt32,
          std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())};
}

GgufNewEntry gguf_string_entry(std::string key, std::string_view value) {
  const std::uint64_t size = value.size();
  const auto bytes = std::as_bytes(std::span(&size, 1));
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return {std::move(key), GgufValueType::kString, text.append(value)};
}

std::vector<GgufNewEntry> copied_entries(const GgufHeader& header) {
  std::vector<GgufNewEntry> entries;
  for (const GgufEntry& entry : header.entries) {
    entries.push_back({entry.key, entry.type, {}, &entry});
  }
  return entries;
}

void set_gguf_entry(std::vector<GgufNewEntry>* entries, GgufNewEntry entry) {
  const auto found = std::ranges::find(*entries, entry.key, &GgufNewEntry::key);
  if (found == entries->end()) {
    entries->push_back(std::move(entry));
  } else {
    *found = std::move(entry);
  }
}

void check_gguf_tensor(const TensorInfo& info) {
  constexpr std::size_t kLongestName = 63;
  constexpr std::size_t kMostDimensions = 4;
  if (info.name.size() > kLongestName) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("a GGUF file cannot hold tensor {}, whose name has {} bytes: llama.cpp "
                            "reads at most {}",
                            shown(info.name), info.name.size(), kLongestName),
                {Remedy::Kind::kOtherFormat, "safetensors or tf"});
  }
  if (info.shape.size() > kMostDimensions) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("a GGUF file cannot hold tensor {} {}: llama.cpp reads at most {} "
                            "dimensions",
                            shown(info.name), to_string(info.shape), kMostDimensions),
                {Remedy::Kind::kOtherFormat, "safetensors or tf"});
  }
}

void GgufOutput::begin(const InputFile& source, const std::vector<GgufNewEntry>& entries,
                       std::uint32_t alignment, std::vector<GgufNewTensor> tensors) {
  tensors_ = std::move(tensors);
  alignment_ = alignment;
  std::uint64_t values = 0;
  for (const GgufNewTensor& tensor : tensors_) values += gguf_aligned(tensor.size, alignment_);
  output_.file().reserve(values);
  output_.file().write(kGgufMagic);
  write_type(kGgufVersion);
  write_number(tensors_.size());
  write_number(entries.size());
  for (const GgufNewEntry& entry : entries) write_entry(source, entry);
  std::uint64_t offset = 0;
  for (const GgufNewTensor& tensor : tensors_) {
    write_text(tensor.name);
    write_type(static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto length = tensor.shape.rbegin(); length != tensor.shape.rend(); ++length) {
      write_number(static_cast<std::uint64_t>(*length));
    }
    write_type(tensor.type);
    write_number(offset);
    offset += gguf_aligned(tensor.size, alignment_);
  }
  pad();
}

void GgufOutput::write_entry(const InputFile& source, const GgufNewEntry& entry) {
  constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 18;
  write_text(entry.key);
  write_type(static_cast<std::uint32_t>(entry.type));
  if (entry.copied == nullptr) {
    output_.file().write(entry.bytes);
    return;
  }
  std::vector<std::byte> piece;
  for (std::uint64_t done = 0; done < entry.copied->size; done += piece.size()) {
    piece.resize(std::min(kPieceBytes, entry.copied->size - done));
    source.read_at(entry.copied->begin + done, piece);
    output_.file().write(piece);
  }
}

void GgufOutput::write_text(std::string_view text) {
  write_number(text.size());
  output_.file().write(text);
}

// With zeros up to the next multiple of the alignment.
void GgufOutput::pad() {
  const std::uint64_t at = output_.file().bytes_written();
  const std::vector<std::byte> zeros(gguf_aligned(at, alignment_) - at);
  if (!zeros.empty()) output_.file().write(zeros);
}

void GgufOutput::write(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  while (written_ == tensors_.at(current_).size) {
    ++current_;
    written_ = 0;
  }
  output_.file().write(bytes);
  written_ += bytes.size();
  if (written_ == tensors_[current_].size) pad();
}

void GgufOutput::finish() {
  output_.file().finish();
  output_.commit();
}

}  // namespace narrow
