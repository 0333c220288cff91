// ONNX files: whatever the bytes are, an Error or tensors that can be read. What can be read whole
// is copied with nothing changed, and the copy has the same bytes.
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>

#include "checkpoint/container/formats.h"
#include "checkpoint/memory_file.h"
#include "checkpoint/onnx/onnx_message.h"
#include "narrow/error.h"

namespace narrow {
namespace {

std::filesystem::path scratch_file() {
  static const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("fuzz_onnx." + std::to_string(::getpid()));
  return path;
}

void copy_values(const CheckpointReader& reader, std::size_t index, CheckpointWriter& writer) {
  const TensorInfo& info = reader.tensors()[index];
  if (info.dtype == DType::kString) {
    writer.write_strings(reader.read_strings(index));
    return;
  }
  const auto stream = reader.open(index);
  std::array<std::byte, 4099> piece{};
  for (std::uint64_t left = info.byte_size(); left > 0;) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left, piece.size()));
    stream->read(std::span(piece).first(count));
    writer.write(std::span(piece).first(count));
    left -= count;
  }
}

void copy_checkpoint(const CheckpointReader& reader) {
  const auto writer = create_onnx_like(reader.location().path,
                                       {CheckpointFormat::kOnnx, scratch_file()}, Overwrite::kYes);
  for (const TensorInfo& info : reader.tensors()) writer->add(info);
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) copy_values(reader, i, *writer);
  writer->finish();
}

}  // namespace
}  // namespace narrow

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace narrow;
  const MemoryFile file(std::as_bytes(std::span(data, size)));
  looks_like_onnx(InputFile(file.path()));
  try {
    const auto reader = open_onnx({CheckpointFormat::kOnnx, file.path()});
    read_onnx_message(file.path(), 64);
    copy_checkpoint(*reader);
    std::ifstream copy(scratch_file(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(copy), {}};
    if (!std::ranges::equal(std::as_bytes(std::span(bytes)),
                            std::as_bytes(std::span(data, size)))) {
      std::abort();
    }
  } catch (const Error& error) {
    if (error.what()[0] == '\0') std::abort();
  }
  return 0;
}
