#include "checkpoint/tflite/dequantize_stream.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "checkpoint/container/file_range_stream.h"

namespace narrow {
namespace {

// Decoded at once; a multiple of the codes in a byte.
constexpr std::size_t kPieceElements = 8192;

template <typename T>
std::vector<T> read_numbers(const InputFile& file, std::uint64_t offset, std::size_t count) {
  std::vector<T> numbers(count);
  file.read_at(offset, std::as_writable_bytes(std::span(numbers)));
  return numbers;
}

template <typename T>
void widen(std::span<const std::byte> bytes, std::span<std::int64_t> numbers) {
  const std::byte* from = bytes.data();
  for (std::int64_t& number : numbers) {
    number = static_cast<std::int64_t>(load_le<T>(from));
    from += sizeof(T);
  }
}

}  // namespace

DequantizeStream::DequantizeStream(const InputFile& file, const TfliteTensor& tensor)
    : file_(file),
      tensor_(tensor),
      left_(tensor.info.byte_size()),
      elements_(element_count(tensor.info.shape)) {
  const TfliteCodes& codes = tensor.codes;
  if (codes.scales == 0) return;
  const auto scales = read_numbers<float>(file, codes.scales_offset, codes.scales);
  scales_.assign(scales.begin(), scales.end());
  const auto zeros = read_numbers<std::int64_t>(file, codes.zeros_offset, codes.zeros);
  zeros_.resize(scales.size(), zeros.size() == 1 ? static_cast<double>(zeros.front()) : 0);
  if (zeros.size() > 1) std::ranges::copy(zeros, zeros_.begin());
}

void DequantizeStream::read(std::span<std::byte> out) {
  if (out.size() > left_) throw_past_end(tensor_.info.name, out.size(), left_);
  left_ -= out.size();
  while (!out.empty()) {
    if (given_ == values_.size()) decode_piece();
    const std::size_t count = std::min(out.size(), values_.size() - given_);
    std::memcpy(out.data(), values_.data() + given_, count);
    given_ += count;
    out = out.subspan(count);
  }
}

void DequantizeStream::decode_piece() {
  const auto count =
      static_cast<std::size_t>(std::min<std::uint64_t>(kPieceElements, elements_ - element_));
  read_codes(count);
  given_ = 0;
  if (scales_.empty()) {
    values_.resize(count);
    std::ranges::transform(codes_, values_.begin(),
                           [](std::int64_t code) { return static_cast<std::byte>(code); });
  } else {
    values_.resize(count * sizeof(float));
    for (std::size_t i = 0; i < count;) i += decode_run(i);
  }
  element_ += count;
}

// Codes of one channel from index `begin` on; returns how many they are.
std::size_t DequantizeStream::decode_run(std::size_t begin) {
  const std::uint64_t inner = tensor_.codes.inner;
  const std::uint64_t element = element_ + begin;
  const auto channel = static_cast<std::size_t>(element / inner % scales_.size());
  const std::uint64_t left = scales_.size() == 1 ? elements_ : inner - element % inner;
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left, codes_.size() - begin));
  const double scale = scales_[channel];
  const double zero = zeros_[channel];
  std::byte* out = values_.data() + begin * sizeof(float);
  for (std::size_t i = begin; i < begin + count; ++i, out += sizeof(float)) {
    store_le(out, static_cast<float>(scale * (static_cast<double>(codes_[i]) - zero)));
  }
  return count;
}

void DequantizeStream::read_codes(std::size_t count) {
  const unsigned bits = tensor_.codes.bits;
  const bool is_signed = tensor_.codes.is_signed;
  bytes_.resize((count * bits + 7) / 8);
  file_.read_at(tensor_.offset + element_ * bits / 8, bytes_);
  codes_.resize(count);
  switch (bits) {
    case 8:
      return is_signed ? widen<std::int8_t>(bytes_, codes_) : widen<std::uint8_t>(bytes_, codes_);
    case 16:
      return is_signed ? widen<std::int16_t>(bytes_, codes_) : widen<std::uint16_t>(bytes_, codes_);
    case 32:
      return widen<std::int32_t>(bytes_, codes_);
    case 64:
      return widen<std::int64_t>(bytes_, codes_);
    default:
      break;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t shift = i * bits % 8;
    const auto byte = std::to_integer<std::int64_t>(bytes_[i * bits / 8]);
    const std::int64_t above = 64 - bits;  // moves the highest bit to the sign and back
    const std::int64_t moved = byte >> shift << above;
    codes_[i] = is_signed ? moved >> above
                          : static_cast<std::int64_t>(static_cast<std::uint64_t>(moved) >> above);
  }
}

}  // namespace narrow
