// Opens the input as a packed file, unpacks what it holds and goes over its codes. Checksums are
// made right first, or no changed byte would get past them.
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "checkpoint/memory_file.h"
#include "checkpoint/safetensors/safetensors_header.h"
#include "narrow/checkpoint.h"
#include "narrow/error.h"
#include "narrow/packed_checkpoint.h"
#include "packed/export/code_stream.h"

namespace {

using narrow::CheckpointReader;

// The same file with the checksums that its bytes have.
std::string with_right_checksums(const std::string& file) {
  const narrow::MemoryFile memory(narrow::as_byte_span(file));
  const auto reader = narrow::open_checkpoint(memory.path());
  nlohmann::ordered_json checksums = nlohmann::ordered_json::object();
  std::string data;
  for (std::size_t i = 0; i < reader->tensors().size(); ++i) {
    std::string bytes(reader->tensors()[i].byte_size(), '\0');
    reader->read(i, std::as_writable_bytes(std::span(bytes)));
    std::array<char, 9> digits{};
    std::snprintf(digits.data(), digits.size(), "%08x",
                  narrow::crc32c(narrow::as_byte_span(bytes)));
    checksums[reader->tensors()[i].name] = digits.data();
    data += bytes;
  }
  auto metadata = reader->metadata();
  metadata["narrow.crc32c"] = checksums.dump();
  return narrow::build_safetensors_header(reader->tensors(), metadata) + data;
}

void use(const std::string& file) {
  const narrow::MemoryFile memory(narrow::as_byte_span(file));
  const narrow::PackedCheckpoint packed(memory.path());
  for (std::size_t i = 0; i < packed.contents().tensors.size(); ++i) {
    // A few bytes of codes may stand for billions of values; those take only time.
    constexpr std::uint64_t kMostElements = 1 << 22;
    if (narrow::element_count(packed.contents().tensors[i].info.shape) > kMostElements) return;
    if (packed.contents().tensors[i].scheme.has_value())
      narrow::code_facts(narrow::file_of(packed), i);
  }
  narrow::NullWriter writer;
  narrow::unpack_checkpoint(packed, writer, {.threads = 1});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string file(reinterpret_cast<const char*>(data), size);
  for (const bool is_repaired : {false, true}) {
    try {
      use(is_repaired ? with_right_checksums(file) : file);
    } catch (const narrow::Error& error) {
      if (error.what()[0] == '\0') std::abort();
    } catch (const nlohmann::json::exception&) {
      // A name that the repaired metadata cannot hold.
    }
  }
  return 0;
}
