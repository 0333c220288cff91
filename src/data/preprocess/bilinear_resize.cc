#include "data/preprocess/bilinear_resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace narrow {
namespace {

// Where an output coordinate lies between two source coordinates.
struct Sample {
  std::int64_t low = 0;
  std::int64_t high = 0;
  float fraction = 0;
};

Sample sample_at(std::int64_t out_index, float scale, std::int64_t in_size) {
  const float position = static_cast<float>(out_index) * scale;
  const float floor = std::floor(position);
  const auto low = static_cast<std::int64_t>(floor);
  return {std::min(low, in_size - 1), std::min(low + 1, in_size - 1), position - floor};
}

// Interpolates source rows along x, at the columns of the crop, and remembers the last two.
class RowCache {
 public:
  RowCache(const Image& image, const ResizeFrame& frame, bool flipped, float value_scale)
      : image_(image), value_scale_(value_scale) {
    const float scale = static_cast<float>(image.width) / static_cast<float>(frame.width);
    columns_.reserve(static_cast<std::size_t>(frame.window.width));
    for (int x = 0; x < frame.window.width; ++x) {
      const int column = flipped ? frame.window.width - 1 - x : x;
      columns_.push_back(sample_at(frame.window.left + column, scale, image.width));
    }
    for (auto& row : rows_) row.resize(columns_.size() * kImageChannels);
  }

  // Valid until the second next call with another row.
  const float* row(std::int64_t y) {
    if (held_[0] == y) return rows_[0].data();
    if (held_[1] == y) return rows_[1].data();
    const std::size_t victim = held_[0] < held_[1] ? 0 : 1;
    fill(y, rows_[victim].data());
    held_[victim] = y;
    return rows_[victim].data();
  }

 private:
  void fill(std::int64_t y, float* out) const {
    const std::uint8_t* source = image_.pixels.data() + y * image_.width * kImageChannels;
    for (const Sample& column : columns_) {
      const std::uint8_t* left = source + column.low * kImageChannels;
      const std::uint8_t* right = source + column.high * kImageChannels;
      for (int c = 0; c < kImageChannels; ++c) {
        const float from = static_cast<float>(left[c]) * value_scale_;
        const float to = static_cast<float>(right[c]) * value_scale_;
        *out++ = from + (to - from) * column.fraction;
      }
    }
  }

  const Image& image_;
  float value_scale_;
  std::vector<Sample> columns_;
  std::array<std::vector<float>, 2> rows_;
  std::array<std::int64_t, 2> held_ = {-1, -1};
};

void blend_rows(const float* __restrict top, const float* __restrict bottom, float fraction,
                const float* __restrict mean, float gain, float* __restrict out,
                std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = ((top[i] + (bottom[i] - top[i]) * fraction) - mean[i]) * gain;
  }
}

}  // namespace

void resize_bilinear(const Image& image, const ResizeFrame& frame, bool flipped,
                     const PixelRange& range, int output_size, std::span<float> out) {
  const std::size_t row_floats = static_cast<std::size_t>(frame.window.width) * kImageChannels;
  std::vector<float> mean(row_floats);
  for (std::size_t i = 0; i < row_floats; ++i) mean[i] = range.mean[i % kImageChannels];
  RowCache cache(image, frame, flipped, range.scale);
  const float scale = static_cast<float>(image.height) / static_cast<float>(frame.height);
  for (int y = 0; y < frame.window.height; ++y) {
    const Sample line = sample_at(frame.window.top + y, scale, image.height);
    const float* top = cache.row(line.low);
    const float* bottom = line.fraction == 0 ? top : cache.row(line.high);
    const int pixel = (frame.top + y) * output_size + frame.left;
    blend_rows(top, bottom, line.fraction, mean.data(), range.gain,
               out.data() + static_cast<std::size_t>(pixel) * kImageChannels, row_floats);
  }
}

}  // namespace narrow
