// Reading GGUF: values as they lie in the file, or computed from blocks of codes.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "checkpoint/container/file_range_stream.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/gguf/gguf_header.h"
#include "checkpoint/gguf/gguf_types.h"

namespace narrow {
namespace {

// The values of a tensor that is stored in blocks of codes.
class BlockStream final : public TensorStream {
 public:
  // The size of the tensor has been checked against that of `file`, which must outlive this.
  BlockStream(const InputFile& file, const GgufTensor& tensor)
      : type_(*find_gguf_type(tensor.type)),
        codes_(file, tensor.info.name, tensor.begin, tensor.size),
        name_(tensor.info.name),
        code_bytes_left_(tensor.size),
        value_bytes_left_(tensor.info.byte_size()),
        values_(kValuesAtOnce),
        given_(kValuesAtOnce * sizeof(float)),
        end_(given_) {}

  void read(std::span<std::byte> out) override {
    if (out.size() > value_bytes_left_) throw_past_end(name_, out.size(), value_bytes_left_);
    value_bytes_left_ -= out.size();
    while (!out.empty()) {
      if (given_ == end_) decode_next();
      const std::size_t count = std::min(out.size(), end_ - given_);
      std::memcpy(out.data(), std::as_bytes(std::span(values_)).data() + given_, count);
      given_ += count;
      out = out.subspan(count);
    }
  }

 private:
  static constexpr std::size_t kValuesAtOnce = 4096;  // fit in the first cache
  static constexpr std::size_t kCodeBytes = 1 << 17;  // read at once

  void decode_next() {
    if (next_ == buffered_.size()) read_codes();
    const std::size_t blocks = std::min<std::size_t>(
        kValuesAtOnce / type_.block_values, (buffered_.size() - next_) / type_.block_bytes);
    type_.decode(buffered_.data() + next_, blocks, values_.data());
    next_ += blocks * type_.block_bytes;
    given_ = 0;
    end_ = blocks * type_.block_values * sizeof(float);
  }

  void read_codes() {
    const std::uint64_t whole_blocks = kCodeBytes / type_.block_bytes * type_.block_bytes;
    buffered_.resize(std::min<std::uint64_t>(whole_blocks, code_bytes_left_));
    codes_.read(buffered_);
    code_bytes_left_ -= buffered_.size();
    next_ = 0;
  }

  const GgufType& type_;
  FileRangeStream codes_;
  std::string name_;
  std::uint64_t code_bytes_left_;  // in the file
  std::uint64_t value_bytes_left_;
  std::vector<std::byte> buffered_;  // codes
  std::size_t next_ = 0;             // byte of them
  std::vector<float> values_;
  std::size_t given_;  // bytes of them that were passed on
  std::size_t end_;
};

class GgufReader final : public CheckpointReader {
 public:
  explicit GgufReader(const CheckpointLocation& location)
      : location_(location), file_(location.path), header_(read_gguf_header(file_)) {
    for (const GgufTensor& tensor : header_.tensors) tensors_.push_back(tensor.info);
  }

  [[nodiscard]] const CheckpointLocation& location() const override { return location_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  [[nodiscard]] std::map<std::string, std::string> metadata() const override {
    std::map<std::string, std::string> metadata;
    for (const GgufEntry& entry : header_.entries) metadata.emplace(entry.key, entry.text);
    return metadata;
  }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override {
    const GgufTensor& tensor = header_.tensors.at(index);
    if (!tensor.info.stored_as.empty()) return std::make_unique<BlockStream>(file_, tensor);
    return std::make_unique<FileRangeStream>(file_, tensor.info.name, tensor.begin, tensor.size);
  }

 private:
  CheckpointLocation location_;
  InputFile file_;
  GgufHeader header_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace

bool looks_like_gguf(const InputFile& file) {
  std::array<std::byte, kGgufMagic.size()> start{};
  if (file.size() < start.size()) return false;
  file.read_at(0, start);
  return std::ranges::equal(start, as_byte_span(kGgufMagic));
}

std::unique_ptr<CheckpointReader> open_gguf(const CheckpointLocation& location) {
  return std::make_unique<GgufReader>(location);
}

}  // namespace narrow
