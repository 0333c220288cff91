// What the fuzzers of single-file checkpoint formats share.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include "checkpoint/container/formats.h"
#include "checkpoint/memory_file.h"
#include "narrow/error.h"

namespace narrow {

// Opens `data` with `open` and reads every tensor in pieces of an odd size. An Error is a good
// answer; anything else that is thrown ends the program.
inline int read_whole_checkpoint(
    const std::uint8_t* data, std::size_t size, CheckpointFormat format,
    std::unique_ptr<CheckpointReader> (*open)(const CheckpointLocation&)) {
  const MemoryFile file(std::as_bytes(std::span(data, size)));
  try {
    const auto reader = open({format, file.path()});
    for (std::size_t i = 0; i < reader->tensors().size(); ++i) {
      const auto stream = reader->open(i);
      std::array<std::byte, 4099> piece{};
      for (std::uint64_t left = reader->tensors()[i].byte_size(); left > 0;) {
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left, piece.size()));
        stream->read(std::span(piece).first(count));
        left -= count;
      }
    }
  } catch (const Error& error) {
    if (error.what()[0] == '\0') std::abort();
  }
  return 0;
}

}  // namespace narrow
