// A stream over bytes in memory, which it holds.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/container/file_range_stream.h"
#include "narrow/checkpoint.h"

namespace narrow {

class BytesStream final : public TensorStream {
 public:
  BytesStream(std::string name, std::vector<std::byte> bytes)
      : name_(std::move(name)), bytes_(std::move(bytes)) {}
  void read(std::span<std::byte> out) override {
    const auto left = std::span(bytes_).subspan(position_);
    if (out.size() > left.size()) throw_past_end(name_, out.size(), left.size());
    std::ranges::copy(left.first(out.size()), out.begin());
    position_ += out.size();
  }

 private:
  std::string name_;
  std::vector<std::byte> bytes_;
  std::size_t position_ = 0;
};

}  // namespace narrow
