// Codes as a header for C99 and C++: arrays of integers, never decimals.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "narrow/export_codes.h"
#include "packed/export/code_stream.h"

namespace narrow {

class CHeader {
 public:
  // `name`: of the header, as an identifier.
  CHeader(const PackedFile& packed, std::string name, OutputFile& file);
  void add(std::size_t index, const std::string& identifier, const CodeFacts& facts,
           std::uint32_t crc32c);
  // After the last tensor: the function that checks all sums.
  void finish();

 private:
  void add_macros(const PackedTensor& tensor, const std::string& identifier,
                  const CodeFacts& facts);
  void add_codes(std::size_t index, const std::string& identifier, const CodeFacts& facts);
  void add_params(const StoredPart& part, const std::string& identifier, std::uint64_t count);

  const PackedFile& packed_;
  std::string name_;
  OutputFile& file_;
  std::vector<std::string> identifiers_;
};

}  // namespace narrow
