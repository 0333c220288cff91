#include "checkpoint/tensorflow/value_checksum.h"

#include <algorithm>

#include "base/crc32c.h"
#include "checkpoint/tensorflow/tensor_meta.h"

namespace narrow {
namespace {

constexpr int kMaxLengthBits = 63;

}  // namespace

ValueChecksum::ValueChecksum(const TensorInfo& info) : of_variants_(is_variant(info)) {}

void ValueChecksum::add(std::span<const std::byte> bytes) {
  if (!of_variants_) {
    crc_ = extend_crc32c(crc_, bytes);
    return;
  }
  while (!bytes.empty() && !is_damaged_) {
    if (part_ == Part::kLength) {
      add_length(bytes.front());
      bytes = bytes.subspan(1);
    } else if (part_ == Part::kChecksum) {
      add_checksum(bytes.front());
      bytes = bytes.subspan(1);
    } else {
      const auto body = bytes.first(std::min<std::uint64_t>(bytes.size(), length_));
      crc_ = extend_crc32c(crc_, body);
      length_ -= body.size();
      bytes = bytes.subspan(body.size());
      if (length_ == 0) part_ = Part::kChecksum;
    }
  }
}

void ValueChecksum::add_length(std::byte byte) {
  const auto bits = std::to_integer<std::uint64_t>(byte & std::byte{0x7f});
  is_damaged_ = shift_ >= kMaxLengthBits;
  if (is_damaged_) return;
  length_ |= bits << shift_;
  shift_ += 7;
  if ((byte & std::byte{0x80}) != std::byte{0}) return;
  crc_ = extend_crc32c(crc_, std::as_bytes(std::span(&length_, 1)));
  shift_ = 0;
  part_ = length_ > 0 ? Part::kBody : Part::kChecksum;
}

void ValueChecksum::add_checksum(std::byte byte) {
  stored_crc_ |= std::to_integer<std::uint32_t>(byte) << shift_;
  shift_ += 8;
  if (shift_ < 32) return;
  is_damaged_ = stored_crc_ != mask_crc(crc_);
  crc_ = extend_crc32c(crc_, std::as_bytes(std::span(&stored_crc_, 1)));
  part_ = Part::kLength;
  stored_crc_ = 0;
  shift_ = 0;
}

std::uint32_t ValueChecksum::masked() const { return mask_crc(crc_); }

}  // namespace narrow
