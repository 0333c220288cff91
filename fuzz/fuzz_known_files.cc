// Files that are no checkpoint: whatever they hold, one sentence or none says what they are. The
// same bytes as variants of a TensorFlow checkpoint: any pieces give the same checksum.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "checkpoint/container/known_files.h"
#include "checkpoint/memory_file.h"
#include "checkpoint/tensorflow/value_checksum.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const narrow::MemoryFile file(bytes);
  const auto text = narrow::describe_known_file(narrow::InputFile(file.path()));
  if (text && (!text->starts_with("is ") || text->size() > 2000)) std::abort();
  const narrow::TensorInfo info{
      "v", narrow::DType::kOpaque, {}, {narrow::OpaqueType::Family::kTensorFlow, "variant", size}};
  narrow::ValueChecksum whole(info);
  whole.add(bytes);
  narrow::ValueChecksum pieces(info);
  for (auto rest = bytes; !rest.empty();) {
    const auto piece = rest.first(std::min<std::size_t>(rest.size(), 3));
    pieces.add(piece);
    rest = rest.subspan(piece.size());
  }
  if (whole.is_whole() != pieces.is_whole()) std::abort();
  if (whole.is_whole() && whole.masked() != pieces.masked()) std::abort();
  return 0;
}
