// The structure of one block of a LevelDB table (doc/table_format.md of LevelDB).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace narrow {

// Where a block lies; the five bytes of its trailer are not counted in `size`.
struct BlockHandle {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

// Removes a handle from the front of `bytes`; nothing if there is none.
std::optional<BlockHandle> take_block_handle(std::string_view* bytes);

// Longer keys are refused: with shared prefixes, a small file could otherwise claim names that fill
// the memory.
constexpr std::size_t kMaxKeyBytes = 8192;

// What is wrong with the content of a block (uncompressed, without trailer), as part of a sentence;
// null if every entry lies inside the block, keys ascend and every restart offset is the start of
// an entry with an unshared key.
const char* find_block_problem(std::string_view content);

// Calls visit with the value of every entry of a block without problem.
void for_each_block_value(std::string_view content,
                          const std::function<void(std::string_view)>& visit);

}  // namespace narrow
