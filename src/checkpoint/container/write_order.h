// The order of calls that every CheckpointWriter demands, kept in one place.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "narrow/error.h"
#include "narrow/tensor.h"

namespace narrow {

// Knows which tensor the next values belong to, and whether all values have come.
class WriteOrder {
 public:
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const { return tensors_; }

  // Throws Error(kUsage) for a second tensor of the same name or after the first take().
  void add(const TensorInfo& info) {
    if (started_) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("tensor {} was added after values had been written; add every tensor "
                              "first",
                              info.name));
    }
    if (!names_.insert(info.name).second) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("tensor {} was added twice; names have to be unique", info.name));
    }
    tensors_.push_back(info);
  }

  // Counts `byte_count` > 0 bytes as written and returns the index of their tensor.
  // Throws Error(kUsage) when no tensor is left or the bytes cross the end of one.
  std::size_t take(std::uint64_t byte_count) {
    started_ = true;
    skip_full();
    if (current_ == tensors_.size()) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{} bytes were written after the last tensor had all its values",
                              byte_count));
    }
    const std::uint64_t left = tensors_[current_].byte_size() - written_;
    if (byte_count > left) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{} bytes were written to tensor {}, which lacks only {}", byte_count,
                              tensors_[current_].name, left));
    }
    written_ += byte_count;
    return current_;
  }

  // Throws Error(kUsage) naming the first tensor that lacks values.
  void check_complete() {
    started_ = true;
    skip_full();
    if (current_ == tensors_.size()) return;
    throw Error(ErrorCategory::kUsage,
                fmt::format("tensor {} has {} of its {} bytes; write all values before finish",
                            tensors_[current_].name, written_, tensors_[current_].byte_size()));
  }

 private:
  void skip_full() {
    while (current_ < tensors_.size() && written_ == tensors_[current_].byte_size()) {
      ++current_;
      written_ = 0;
    }
  }

  std::vector<TensorInfo> tensors_;
  std::unordered_set<std::string> names_;
  std::size_t current_ = 0;
  std::uint64_t written_ = 0;
  bool started_ = false;
};

}  // namespace narrow
