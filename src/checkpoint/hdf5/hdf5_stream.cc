#include "checkpoint/hdf5/hdf5_stream.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "checkpoint/container/file_range_stream.h"
#include "checkpoint/container/reversing_stream.h"
#include "checkpoint/hdf5/hdf5_chunk_decoder.h"

namespace narrow {
namespace {

using Bytes = std::vector<std::byte>;

// Copies of `element` to `out`, which begins `position` bytes after the begin of one.
void fill_with(std::span<const std::byte> element, std::uint64_t position,
               std::span<std::byte> out) {
  if (element.empty()) {
    std::ranges::fill(out, std::byte{0});
    return;
  }
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = element[(position + i) % element.size()];
}

// Values that were never written.
class FillStream final : public TensorStream {
 public:
  FillStream(const Hdf5Dataset& dataset, std::string name)
      : fill_(dataset.fill), name_(std::move(name)), size_(dataset.byte_size()) {}

  void read(std::span<std::byte> out) override {
    if (out.size() > size_ - position_) throw_past_end(name_, out.size(), size_ - position_);
    fill_with(fill_, position_, out);
    position_ += out.size();
  }

 private:
  const Bytes& fill_;
  std::string name_;
  std::uint64_t size_;
  std::uint64_t position_ = 0;
};

class ChunkedStream final : public TensorStream {
 public:
  ChunkedStream(const Hdf5File& file, const Hdf5Dataset& dataset, std::string name)
      : file_(file),
        dataset_(dataset),
        name_(std::move(name)),
        element_bytes_(dataset.type.size),
        size_(dataset.byte_size()) {
    merge_whole_axes();
  }

  void read(std::span<std::byte> out) override {
    if (out.size() > size_ - position_) throw_past_end(name_, out.size(), size_ - position_);
    while (!out.empty()) {
      const Run run = run_at(position_);
      const std::size_t count = std::min<std::uint64_t>(out.size(), run.bytes);
      copy_run(run, out.first(count));
      position_ += count;
      out = out.subspan(count);
    }
  }

 private:
  // Bytes that lie side by side in a chunk as they do in the tensor.
  struct Run {
    std::uint64_t chunk = 0;   // its index
    std::uint64_t offset = 0;  // in the chunk
    std::uint64_t bytes = 0;
  };

  // An axis that chunks do not cut runs on in the one before.
  void merge_whole_axes() {
    for (std::size_t i = 0; i < dataset_.shape.size(); ++i) {
      const auto size = static_cast<std::uint64_t>(dataset_.shape[i]);
      const std::uint64_t chunk = dataset_.chunk_shape[i];
      if (i > 0 && chunk == size) {
        shape_.back() *= size;
        chunk_shape_.back() *= chunk;
      } else {
        shape_.push_back(size);
        chunk_shape_.push_back(chunk);
      }
    }
    for (std::size_t i = 1; i < shape_.size(); ++i) chunks_in_band_ *= chunks_along(i);
  }

  [[nodiscard]] std::uint64_t chunks_along(std::size_t axis) const {
    return (shape_[axis] + chunk_shape_[axis] - 1) / chunk_shape_[axis];
  }

  [[nodiscard]] Run run_at(std::uint64_t position) const {
    std::uint64_t element = position / element_bytes_;
    const std::uint64_t cut = position % element_bytes_;
    Run run;
    std::uint64_t grid_stride = 1;
    std::uint64_t chunk_stride = 1;
    for (std::size_t i = shape_.size(); i-- > 0;) {
      const std::uint64_t at = element % shape_[i];
      const std::uint64_t within = at % chunk_shape_[i];
      element /= shape_[i];
      if (i + 1 == shape_.size()) {
        const std::uint64_t left = std::min(chunk_shape_[i] - within, shape_[i] - at);
        run.bytes = left * element_bytes_ - cut;
      }
      run.chunk += at / chunk_shape_[i] * grid_stride;
      run.offset += within * chunk_stride;
      grid_stride *= chunks_along(i);
      chunk_stride *= chunk_shape_[i];
    }
    run.offset = run.offset * element_bytes_ + cut;
    return run;
  }

  void copy_run(const Run& run, std::span<std::byte> out) {
    const std::uint64_t band = run.chunk / chunks_in_band_;
    if (band != band_) decoded_.clear();
    band_ = band;
    const auto found = std::ranges::lower_bound(dataset_.chunks, run.chunk, {}, &Hdf5Chunk::index);
    if (found == dataset_.chunks.end() || found->index != run.chunk) {
      fill_with(dataset_.fill, position_, out);
      return;
    }
    Bytes& values = decoded_[run.chunk];
    if (values.empty()) values = decode_hdf5_chunk(file_, dataset_, *found);
    std::memcpy(out.data(), values.data() + run.offset, out.size());
  }

  const Hdf5File& file_;
  const Hdf5Dataset& dataset_;
  std::string name_;
  std::uint64_t element_bytes_;
  std::uint64_t size_;
  std::vector<std::uint64_t> shape_;
  std::vector<std::uint64_t> chunk_shape_;
  std::uint64_t position_ = 0;
  std::uint64_t chunks_in_band_ = 1;  // that share an index along the first axis
  std::uint64_t band_ = 0;
  std::unordered_map<std::uint64_t, Bytes> decoded_;  // of the band, by index
};

}  // namespace

std::unique_ptr<TensorStream> open_hdf5_values(const Hdf5File& file, const Hdf5Dataset& dataset,
                                               const std::string& name) {
  std::unique_ptr<TensorStream> stream;
  if (dataset.layout == Hdf5Dataset::Layout::kChunked) {
    stream = std::make_unique<ChunkedStream>(file, dataset, name);
  } else if (dataset.address == kNoHdf5Address) {
    stream = std::make_unique<FillStream>(dataset, name);
  } else {
    stream = std::make_unique<FileRangeStream>(file.input(), name, file.offset_of(dataset.address),
                                               dataset.stored_bytes);
  }
  if (!dataset.type.big_endian || dataset.type.size == 1) return stream;
  return reverse_numbers(std::move(stream), dataset.type.dtype);
}

}  // namespace narrow
