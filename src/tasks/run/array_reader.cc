#include "tasks/run/array_reader.h"

#include <algorithm>

#include "narrow/error.h"

namespace narrow {
namespace {

class ArrayStream : public TensorStream {
 public:
  explicit ArrayStream(std::span<const std::byte> values) : left_(values) {}
  void read(std::span<std::byte> out) override {
    if (out.size() > left_.size()) {
      throw Error(ErrorCategory::kUsage, "a read past the end of an array");
    }
    std::ranges::copy(left_.first(out.size()), out.begin());
    left_ = left_.subspan(out.size());
  }

 private:
  std::span<const std::byte> left_;
};

}  // namespace

ArrayReader::ArrayReader(std::span<const NamedArray> arrays)
    : location_{CheckpointFormat::kNpz, "memory"}, arrays_(arrays) {
  for (const NamedArray& array : arrays) infos_.push_back(array.info);
}

std::unique_ptr<TensorStream> ArrayReader::open(std::size_t index) const {
  return std::make_unique<ArrayStream>(arrays_[index].values);
}

}  // namespace narrow
