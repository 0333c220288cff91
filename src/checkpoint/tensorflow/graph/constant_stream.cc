#include "checkpoint/tensorflow/graph/constant_stream.h"

#include <algorithm>
#include <vector>

#include "checkpoint/container/file_range_stream.h"

namespace narrow {
namespace {

std::string read_tensor(const InputFile& file, const GraphConstant& constant) {
  std::string tensor(constant.tensor.size(), '\0');
  file.read_at(constant.tensor.begin, std::as_writable_bytes(std::span(tensor)));
  return tensor;
}

}  // namespace

ConstantStream::ConstantStream(const InputFile& file, const GraphConstant& constant,
                               const std::string& where)
    : name_(constant.info.name),
      tensor_(read_tensor(file, constant)),
      decoder_(tensor_, constant.info.dtype, constant.stored_elements, where),
      stored_bytes_(constant.stored_elements * element_size(constant.info.dtype)),
      left_(constant.info.byte_size()),
      last_(element_size(constant.info.dtype), '\0') {}

void ConstantStream::read(std::span<std::byte> out) {
  if (out.size() > left_) throw_past_end(name_, out.size(), left_);
  left_ -= out.size();
  const auto stored =
      out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), stored_bytes_)));
  decoder_.read(stored);
  stored_bytes_ -= stored.size();
  // Of a piece with less than an element the bytes before it count, too.
  const auto tail = stored.last(std::min(stored.size(), last_.size()));
  last_.erase(0, tail.size());
  for (const std::byte byte : tail) last_.push_back(static_cast<char>(byte));
  for (std::byte& byte : out.subspan(stored.size())) {
    byte = static_cast<std::byte>(last_[next_]);
    next_ = next_ + 1 == last_.size() ? 0 : next_ + 1;
  }
}

std::vector<std::string> read_constant_strings(const InputFile& file, const GraphConstant& constant,
                                               const std::string& where) {
  auto strings = decode_v1_strings(read_tensor(file, constant), constant.stored_elements, where);
  const std::string last = strings.empty() ? std::string() : strings.back();
  strings.resize(element_count(constant.info.shape), last);
  return strings;
}

}  // namespace narrow
