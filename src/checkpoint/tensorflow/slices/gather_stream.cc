#include "checkpoint/tensorflow/slices/gather_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::size_t kMinBufferBytes = std::size_t{1} << 12;
constexpr std::size_t kMaxBufferBytes = std::size_t{1} << 18;
// What the buffers of all slices together should not exceed.
constexpr std::size_t kTotalBufferBytes = std::size_t{1} << 23;

}  // namespace

GatherStream::GatherStream(const Shape& shape, const std::vector<TensorSlice>& slices,
                           std::size_t element_bytes, OpenSlice open_slice)
    : open_slice_(std::move(open_slice)),
      element_bytes_(element_bytes),
      buffer_bytes_(std::clamp(kTotalBufferBytes / std::max<std::size_t>(slices.size(), 1),
                               kMinBufferBytes, kMaxBufferBytes)),
      walk_(shape, slices),
      sources_(slices.size()) {
  for (std::size_t i = 0; i < slices.size(); ++i) {
    const std::uint64_t bytes = element_count(slice_shape(shape, slices[i])) * element_bytes;
    sources_[i].unread_bytes = bytes;
    sources_[i].undelivered_bytes = bytes;
  }
}

void GatherStream::read_from(Source* source, std::span<std::byte> out) const {
  source->undelivered_bytes -= out.size();
  while (!out.empty()) {
    const std::size_t buffered = source->buffer.size() - source->buffer_begin;
    if (buffered > 0) {
      const std::size_t count = std::min(buffered, out.size());
      std::memcpy(out.data(), source->buffer.data() + source->buffer_begin, count);
      source->buffer_begin += count;
      out = out.subspan(count);
    } else if (out.size() >= buffer_bytes_) {
      source->stream->read(out);
      source->unread_bytes -= out.size();
      return;
    } else {
      const auto count = std::min<std::uint64_t>(buffer_bytes_, source->unread_bytes);
      source->buffer.resize(count);
      source->buffer_begin = 0;
      source->stream->read(source->buffer);
      source->unread_bytes -= count;
    }
  }
}

void GatherStream::read(std::span<std::byte> out) {
  while (!out.empty()) {
    if (run_bytes_ == 0) {
      const auto run = walk_.next();
      if (!run) throw Error(ErrorCategory::kUsage, "a tensor was read beyond its last element");
      run_slice_ = run->slice;
      run_bytes_ = run->element_count * element_bytes_;
    }
    Source& source = sources_[run_slice_];
    if (!source.stream) source.stream = open_slice_(run_slice_);
    const auto count = std::min<std::uint64_t>(run_bytes_, out.size());
    read_from(&source, out.first(count));
    run_bytes_ -= count;
    out = out.subspan(count);
    if (source.undelivered_bytes == 0) source = Source{};
  }
}

std::vector<std::string> gather_strings(const Shape& shape, const std::vector<TensorSlice>& slices,
                                        std::vector<std::vector<std::string>> values) {
  if (slices.size() == 1) return std::move(values[0]);
  std::vector<std::string> whole;
  std::vector<std::size_t> taken(slices.size(), 0);
  SliceWalk walk(shape, slices);
  while (const auto run = walk.next()) {
    std::size_t& position = taken[run->slice];
    for (std::uint64_t i = 0; i < run->element_count; ++i) {
      whole.push_back(std::move(values[run->slice][position++]));
    }
  }
  return whole;
}

}  // namespace narrow
