// Memory images as text: a word of hexadecimal digits for each code, its low B bits.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "narrow/export_codes.h"
#include "packed/export/code_stream.h"

namespace narrow {

class MemoryImage {
 public:
  // `format`: kMem, kHex, kCoe or kMif. `parameters`: lines of the comment about the blocks. Writes
  // the head.
  MemoryImage(CodeFormat format, const PackedTensor& tensor, const CodeFacts& facts,
              std::uint32_t crc32c, const std::vector<std::string>& parameters, OutputFile& file);
  void add(std::span<const std::int64_t> codes);
  // After the last code.
  void finish();

 private:
  void write_head(const std::vector<std::string>& comments);

  CodeFormat format_;
  int bits_;
  std::uint64_t count_;
  std::uint64_t next_ = 0;  // address of the next word
  OutputFile& file_;
  std::string text_;
};

// What the tensor is and how to test a copy of it, in lines without a comment's beginning:
// name, type and shape; scheme, what a code stands for and to which block it belongs; number, sum
// and first codes; checksum of the packed codes.
std::vector<std::string> test_vector(const PackedTensor& tensor, const CodeFacts& facts,
                                     std::uint32_t crc32c);

}  // namespace narrow
