// A checkpoint in memory, for tests.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/error.h"

namespace narrow {

struct MemoryTensor {
  TensorInfo info;
  std::vector<std::byte> bytes;
  std::vector<std::string> strings;
};

template <typename T>
MemoryTensor memory_tensor(std::string name, DType dtype, Shape shape,
                           const std::vector<T>& values) {
  MemoryTensor tensor{{std::move(name), dtype, std::move(shape)}, {}, {}};
  const auto bytes = std::as_bytes(std::span(values));
  tensor.bytes.assign(bytes.begin(), bytes.end());
  return tensor;
}

class MemoryReader : public CheckpointReader {
 public:
  explicit MemoryReader(std::vector<MemoryTensor> tensors,
                        CheckpointFormat format = CheckpointFormat::kTensorFlowV2)
      : location_{format, "memory"}, tensors_(std::move(tensors)) {
    for (const MemoryTensor& tensor : tensors_) infos_.push_back(tensor.info);
  }
  [[nodiscard]] const CheckpointLocation& location() const override { return location_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return infos_; }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override {
    return std::make_unique<Stream>(tensors_.at(index).bytes);
  }
  [[nodiscard]] std::vector<std::string> read_strings(std::size_t index) const override {
    return tensors_.at(index).strings;
  }

 private:
  class Stream : public TensorStream {
   public:
    explicit Stream(std::span<const std::byte> bytes) : left_(bytes) {}
    void read(std::span<std::byte> out) override {
      if (out.size() > left_.size()) throw Error(ErrorCategory::kUsage, "read past the end");
      std::ranges::copy(left_.first(out.size()), out.begin());
      left_ = left_.subspan(out.size());
    }

   private:
    std::span<const std::byte> left_;
  };

  CheckpointLocation location_;
  std::vector<MemoryTensor> tensors_;
  std::vector<TensorInfo> infos_;
};

class MemoryWriter : public CheckpointWriter {
 public:
  void add(const TensorInfo& info) override { tensors.push_back({info, {}, {}}); }
  void write(std::span<const std::byte> values) override {
    skip_complete();
    auto& bytes = tensors.at(next_).bytes;
    bytes.insert(bytes.end(), values.begin(), values.end());
  }
  void write_strings(std::span<const std::string> values) override {
    skip_complete();
    tensors.at(next_++).strings.assign(values.begin(), values.end());
  }
  void finish() override { finished = true; }

  std::vector<MemoryTensor> tensors;
  bool finished = false;

 private:
  void skip_complete() {
    while (next_ < tensors.size() && tensors[next_].info.dtype != DType::kString &&
           tensors[next_].bytes.size() == tensors[next_].info.byte_size()) {
      ++next_;
    }
  }
  std::size_t next_ = 0;
};

}  // namespace narrow
