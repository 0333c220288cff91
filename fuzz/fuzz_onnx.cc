// ONNX files: whatever the bytes are, an Error or tensors that can be read. What can be read whole
// is copied with nothing changed, and the copy has the same bytes; and with every value changed,
// and these are read again.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/container/formats.h"
#include "checkpoint/memory_file.h"
#include "checkpoint/onnx/onnx_message.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::size_t kPieceBytes = 4099;

// Of one tensor; strings or bytes.
struct Values {
  std::vector<std::string> strings;
  std::vector<std::byte> bytes;
  bool operator==(const Values&) const = default;
};

std::filesystem::path scratch_file() {
  static const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("fuzz_onnx." + std::to_string(::getpid()));
  return path;
}

template <typename Body>
void for_pieces(std::span<std::byte> bytes, Body body) {
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(bytes.size(), kPieceBytes));
    body(piece);
    bytes = bytes.subspan(piece.size());
  }
}

std::vector<Values> read_values(const CheckpointReader& reader) {
  std::vector<Values> all;
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    Values& values = all.emplace_back();
    if (reader.tensors()[i].dtype == DType::kString) {
      values.strings = reader.read_strings(i);
      continue;
    }
    values.bytes.resize(reader.tensors()[i].byte_size());
    const auto stream = reader.open(i);
    for_pieces(values.bytes, [&](std::span<std::byte> piece) { stream->read(piece); });
  }
  return all;
}

void write_values(const CheckpointReader& reader, std::vector<Values>& all) {
  const auto writer = create_onnx_like(reader.location().path,
                                       {CheckpointFormat::kOnnx, scratch_file()}, Overwrite::kYes);
  for (const TensorInfo& info : reader.tensors()) writer->add(info);
  for (Values& values : all) {
    writer->write_strings(values.strings);
    for_pieces(values.bytes, [&](std::span<std::byte> piece) { writer->write(piece); });
  }
  writer->finish();
}

void check_copies(const CheckpointReader& reader, std::span<const std::byte> content) {
  std::vector<Values> all = read_values(reader);
  write_values(reader, all);
  std::ifstream copy(scratch_file(), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(copy), {}};
  if (!std::ranges::equal(std::as_bytes(std::span(bytes)), content)) std::abort();
  for (Values& values : all) {
    for (std::byte& byte : values.bytes) byte = ~byte;
    for (std::string& text : values.strings) text += "more";
  }
  write_values(reader, all);
  const auto changed = open_onnx({CheckpointFormat::kOnnx, scratch_file()});
  if (changed->tensors() != reader.tensors() || read_values(*changed) != all) std::abort();
}

}  // namespace
}  // namespace narrow

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto content = std::as_bytes(std::span(data, size));
  const narrow::MemoryFile file(content);
  narrow::looks_like_onnx(narrow::InputFile(file.path()));
  std::unique_ptr<narrow::CheckpointReader> reader;
  try {
    reader = narrow::open_onnx({narrow::CheckpointFormat::kOnnx, file.path()});
    narrow::read_onnx_message(file.path(), 64);
    narrow::check_copies(*reader, content);
  } catch (const narrow::Error& error) {
    if (error.what()[0] == '\0') std::abort();
  }
  return 0;
}
