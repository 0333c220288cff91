// A partitioned tensor as one stream.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/tensorflow/slices/tensor_slices.h"
#include "narrow/checkpoint.h"

namespace narrow {

// Delivers a tensor of `shape` whose slices are streams of their own. A slice is opened when its
// first element is due and closed after its last: only slices that interleave are open together.
class GatherStream final : public TensorStream {
 public:
  using OpenSlice = std::function<std::unique_ptr<TensorStream>(std::size_t slice)>;

  // `slices` have passed check_tiling; `open_slice` returns the values of slices[slice].
  GatherStream(const Shape& shape, const std::vector<TensorSlice>& slices,
               std::size_t element_bytes, OpenSlice open_slice);

  void read(std::span<std::byte> out) override;

 private:
  // A slice with a buffer, because the runs of interleaved slices can be a few bytes long.
  struct Source {
    std::unique_ptr<TensorStream> stream;
    std::vector<std::byte> buffer;
    std::size_t buffer_begin = 0;
    std::uint64_t unread_bytes = 0;       // not yet taken out of `stream`
    std::uint64_t undelivered_bytes = 0;  // not yet taken by the caller
  };

  void read_from(Source* source, std::span<std::byte> out) const;

  OpenSlice open_slice_;
  std::size_t element_bytes_;
  std::size_t buffer_bytes_;
  SliceWalk walk_;
  std::vector<Source> sources_;
  std::size_t run_slice_ = 0;
  std::uint64_t run_bytes_ = 0;  // of the current run, not yet delivered
};

// The same for strings: `values[i]` are the elements of slices[i].
std::vector<std::string> gather_strings(const Shape& shape, const std::vector<TensorSlice>& slices,
                                        std::vector<std::vector<std::string>> values);

}  // namespace narrow
