// GGUF files: whatever the bytes are, an Error or tensors that can be read. What can be read is
// written as a variant of itself, and the values are read again.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/container/formats.h"
#include "checkpoint/memory_file.h"
#include "fuzz_checkpoint.h"

namespace narrow {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 22;  // of values, which codes multiply

std::filesystem::path scratch_file() {
  static const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("fuzz_gguf." + std::to_string(::getpid()));
  return path;
}

void check_variant(const CheckpointReader& reader) {
  std::uint64_t total = 0;
  for (const TensorInfo& info : reader.tensors()) {
    total += info.byte_size();
    // What lies there is taken for its values, and so are zeros behind them in what is written.
    if (info.opaque.name.starts_with("type ")) return;
  }
  if (total > kMostBytes) return;
  const auto writer = create_gguf_like(reader.location().path,
                                       {CheckpointFormat::kGguf, scratch_file()}, Overwrite::kYes);
  writer->set_metadata(reader.metadata());
  for (const TensorInfo& info : reader.tensors()) writer->add(info);
  std::vector<std::vector<std::byte>> all;
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    all.emplace_back(reader.tensors()[i].byte_size());
    reader.read(i, all.back());
    writer->write(all.back());
  }
  writer->finish();
  const auto written = open_gguf({CheckpointFormat::kGguf, scratch_file()});
  for (std::size_t i = 0; i < all.size(); ++i) {
    const TensorInfo& info = written->tensors().at(i);
    std::vector<std::byte> values(info.byte_size());
    written->read(i, values);
    if (!info.same_tensor(reader.tensors()[i]) || values != all[i]) std::abort();
  }
}

}  // namespace
}  // namespace narrow

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  narrow::read_whole_checkpoint(data, size, narrow::CheckpointFormat::kGguf, narrow::open_gguf);
  const narrow::MemoryFile file(std::as_bytes(std::span(data, size)));
  try {
    narrow::check_variant(*narrow::open_gguf({narrow::CheckpointFormat::kGguf, file.path()}));
  } catch (const narrow::Error& error) {
    if (error.what()[0] == '\0') std::abort();
  }
  return 0;
}
