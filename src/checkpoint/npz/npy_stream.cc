#include "checkpoint/npz/npy_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "checkpoint/container/file_range_stream.h"
#include "checkpoint/container/reversing_stream.h"

namespace narrow {
namespace {

// Skips the header at the first read, so that opening costs nothing.
class AfterHeaderStream final : public TensorStream {
 public:
  AfterHeaderStream(std::unique_ptr<TensorStream> source, std::uint64_t header_bytes)
      : source_(std::move(source)), header_bytes_(header_bytes) {}

  void read(std::span<std::byte> out) override {
    if (header_bytes_ > 0) {
      std::vector<std::byte> header(std::exchange(header_bytes_, 0));
      source_->read(header);
    }
    source_->read(out);
  }

 private:
  std::unique_ptr<TensorStream> source_;
  std::uint64_t header_bytes_;
};

// Copies column-major `from` to row-major `to`.
template <std::size_t kSize>
void transpose(const std::byte* from, std::byte* to, const Shape& shape) {
  std::vector<std::size_t> strides(shape.size());
  std::size_t stride = kSize;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    strides[i] = stride;
    stride *= static_cast<std::size_t>(shape[i]);
  }
  const auto row = static_cast<std::size_t>(shape.back());
  const std::size_t rows = stride / kSize / row;
  std::vector<std::int64_t> index(shape.size() - 1);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t i = 0; i < row; ++i, to += kSize) {
      std::memcpy(to, from + i * strides.back(), kSize);
    }
    for (std::size_t d = index.size(); d-- > 0;) {
      from += strides[d];
      if (++index[d] < shape[d]) break;
      from -= strides[d] * static_cast<std::size_t>(shape[d]);
      index[d] = 0;
    }
  }
}

void transpose(const std::byte* from, std::byte* to, const Shape& shape, std::size_t size) {
  switch (size) {
    case 1:
      return transpose<1>(from, to, shape);
    case 2:
      return transpose<2>(from, to, shape);
    case 4:
      return transpose<4>(from, to, shape);
    case 8:
      return transpose<8>(from, to, shape);
    default:
      return transpose<16>(from, to, shape);
  }
}

class TransposingStream final : public TensorStream {
 public:
  TransposingStream(std::unique_ptr<TensorStream> source, TensorInfo info)
      : source_(std::move(source)), info_(std::move(info)) {}

  void read(std::span<std::byte> out) override {
    if (source_) load();
    if (out.size() > values_.size() - position_) {
      throw_past_end(info_.name, out.size(), values_.size() - position_);
    }
    std::copy_n(values_.begin() + static_cast<std::ptrdiff_t>(position_), out.size(), out.begin());
    position_ += out.size();
  }

 private:
  void load() {
    std::vector<std::byte> stored(info_.byte_size());
    source_->read(stored);
    source_.reset();
    values_.resize(stored.size());
    transpose(stored.data(), values_.data(), info_.shape, element_size(info_.dtype));
  }

  std::unique_ptr<TensorStream> source_;
  TensorInfo info_;
  std::vector<std::byte> values_;
  std::size_t position_ = 0;
};

}  // namespace

std::unique_ptr<TensorStream> open_npy_values(std::unique_ptr<TensorStream> source,
                                              const NpyHeader& header, const std::string& name) {
  std::unique_ptr<TensorStream> stream =
      std::make_unique<AfterHeaderStream>(std::move(source), header.header_bytes);
  if (header.big_endian) {
    stream = reverse_numbers(std::move(stream), header.dtype);
  }
  const auto long_dims =
      std::count_if(header.shape.begin(), header.shape.end(), [](auto dim) { return dim > 1; });
  const bool order_matters = long_dims > 1 && element_count(header.shape) > 0;
  if (header.fortran_order && order_matters && header.dtype != DType::kOpaque) {
    stream = std::make_unique<TransposingStream>(std::move(stream),
                                                 TensorInfo{name, header.dtype, header.shape});
  }
  return stream;
}

}  // namespace narrow
