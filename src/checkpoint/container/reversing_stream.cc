#include "checkpoint/container/reversing_stream.h"

#include <algorithm>
#include <array>
#include <utility>

namespace narrow {
namespace {

// Bytes of the unit whose bytes are reversed.
std::size_t number_size(DType dtype) {
  const bool complex = dtype == DType::kComplex64 || dtype == DType::kComplex128;
  return element_size(dtype) / (complex ? 2 : 1);
}

void reverse_each(std::span<std::byte> values, std::size_t size) {
  for (std::size_t i = 0; i < values.size(); i += size) {
    std::reverse(values.begin() + i, values.begin() + i + size);
  }
}

// Reads may cut a number anywhere.
class ReversingStream final : public TensorStream {
 public:
  ReversingStream(std::unique_ptr<TensorStream> source, std::size_t size)
      : source_(std::move(source)), size_(size), position_(size) {}

  void read(std::span<std::byte> out) override {
    out = take_rest(out);
    const auto whole = out.first(out.size() - out.size() % size_);
    if (!whole.empty()) {
      source_->read(whole);
      reverse_each(whole, size_);
    }
    if (whole.size() == out.size()) return;
    const auto number = std::span(number_).first(size_);
    source_->read(number);
    reverse_each(number, size_);
    position_ = 0;
    take_rest(out.subspan(whole.size()));
  }

 private:
  // Delivers what is left of the number that the last read cut; returns what is still to fill.
  std::span<std::byte> take_rest(std::span<std::byte> out) {
    const std::size_t count = std::min(out.size(), size_ - position_);
    std::copy_n(number_.begin() + position_, count, out.begin());
    position_ += count;
    return out.subspan(count);
  }

  std::unique_ptr<TensorStream> source_;
  std::size_t size_;
  std::array<std::byte, 8> number_{};
  std::size_t position_;  // in number_; size_ when nothing of it is left
};

}  // namespace

std::unique_ptr<TensorStream> reverse_numbers(std::unique_ptr<TensorStream> source, DType dtype) {
  return std::make_unique<ReversingStream>(std::move(source), number_size(dtype));
}

}  // namespace narrow
