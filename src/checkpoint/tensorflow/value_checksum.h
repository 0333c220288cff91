// The checksum that a V2 index gives for the values of a tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "narrow/tensor.h"

namespace narrow {

// That of the bytes as they lie in the data file, but for two types whose lengths count as fixed
// numbers in it: strings (string_values.h) and variants, of which each is a varint length, so many
// bytes and a checksum of everything up to there.
class ValueChecksum {
 public:
  // `info` is not of type kString.
  explicit ValueChecksum(const TensorInfo& info);

  // Takes the next bytes, in pieces of any size.
  void add(std::span<const std::byte> bytes);

  // As the index stores it.
  [[nodiscard]] std::uint32_t masked() const;
  // Whether the bytes so far are whole values, every checksum within them right.
  [[nodiscard]] bool is_whole() const {
    return !is_damaged_ && part_ == Part::kLength && shift_ == 0;
  }

 private:
  enum class Part : std::uint8_t { kLength, kBody, kChecksum };

  void add_length(std::byte byte);
  void add_checksum(std::byte byte);

  bool of_variants_;
  std::uint32_t crc_ = 0;
  // Of the variant that the bytes have come to.
  Part part_ = Part::kLength;
  bool is_damaged_ = false;
  std::uint64_t length_ = 0;  // what is known of it; then how much of the body is to come
  int shift_ = 0;             // of the next 7 bits of the length, or 8 of the checksum
  std::uint32_t stored_crc_ = 0;
};

}  // namespace narrow
