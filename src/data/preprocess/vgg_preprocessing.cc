// Resize, crop, flip and mean subtraction in one pass over the pixels that survive the crop.
//
// The arithmetic is TensorFlow's ResizeBilinear with align_corners and half_pixel_centers false:
// float32 throughout, first along the row, then between rows, no fused multiply-add. A source row
// is interpolated along x once and serves every output row that touches it.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "data/preprocess/preprocessing_kinds.h"
#include "data/preprocess/resize_frames.h"

namespace narrow {
namespace {

// Red, green, blue: Slim's _R_MEAN, _G_MEAN, _B_MEAN.
constexpr Color kMeanColor = {123.68F, 116.78F, 103.94F};

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

struct Size {
  int height = 0;
  int width = 0;
};

// The size at which the smaller side has `side` pixels; float32 and half to even, as Slim does.
Size resized_size(const Image& image, int side) {
  const auto height = static_cast<float>(image.height);
  const auto width = static_cast<float>(image.width);
  const float scale = static_cast<float>(side) / (height > width ? width : height);
  return {static_cast<int>(std::rint(height * scale)), static_cast<int>(std::rint(width * scale))};
}

// Interpolates source rows along x, at the columns of the crop, and remembers the last two.
class RowCache {
 public:
  RowCache(const Image& image, const ResizeFrame& frame, bool flipped) : image_(image) {
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
        const auto from = static_cast<float>(left[c]);
        *out++ = from + (static_cast<float>(right[c]) - from) * column.fraction;
      }
    }
  }

  const Image& image_;
  std::vector<Sample> columns_;
  std::array<std::vector<float>, 2> rows_;
  std::array<std::int64_t, 2> held_ = {-1, -1};
};

void blend_rows(const float* __restrict top, const float* __restrict bottom, float fraction,
                const float* __restrict mean, float* __restrict out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = (top[i] + (bottom[i] - top[i]) * fraction) - mean[i];
  }
}

void resize_and_crop(const Image& image, const ResizeFrame& frame, bool flipped,
                     const PreprocessingOptions& options, std::span<float> out) {
  const std::size_t row_floats = static_cast<std::size_t>(frame.window.width) * kImageChannels;
  const Color color = options.mean.value_or(kMeanColor);
  std::vector<float> mean(row_floats);
  for (std::size_t i = 0; i < row_floats; ++i) mean[i] = color[i % kImageChannels];
  RowCache cache(image, frame, flipped);
  const float scale = static_cast<float>(image.height) / static_cast<float>(frame.height);
  for (int y = 0; y < frame.window.height; ++y) {
    const Sample line = sample_at(frame.window.top + y, scale, image.height);
    const float* top = cache.row(line.low);
    const float* bottom = line.fraction == 0 ? top : cache.row(line.high);
    const int pixel = (frame.top + y) * options.output_size + frame.left;
    blend_rows(top, bottom, line.fraction, mean.data(),
               out.data() + static_cast<std::size_t>(pixel) * kImageChannels, row_floats);
  }
}

void check_crop(const Size& resized, int crop) {
  const int side = std::min(resized.height, resized.width);
  if (crop > side) throw_crop_too_large(crop, side);
}

ResizeFrame central_frame(const Image& image, const PreprocessingOptions& options) {
  const Size resized = resized_size(image, options.resize_side);
  const int size = options.output_size;
  check_crop(resized, size);
  return {resized.height,
          resized.width,
          {(resized.height - size) / 2, (resized.width - size) / 2, size, size},
          0,
          0};
}

ResizeFrame frame_of(const Image& image, const PreprocessingOptions& options) {
  switch (options.resize) {
    case ResizeMode::kStretch:
      return stretched_frame(options.output_size);
    case ResizeMode::kLetterbox:
      return letterbox_frame(image, options.output_size);
    case ResizeMode::kCrop:
      break;
  }
  return central_frame(image, options);
}

}  // namespace

void vgg_for_evaluation(const Image& image, const PreprocessingOptions& options,
                        std::span<float> out) {
  resize_and_crop(image, frame_of(image, options), false, options, out);
}

void vgg_for_training(const Image& image, const PreprocessingOptions& options, RandomStream& random,
                      std::span<float> out) {
  const auto sides =
      static_cast<std::uint64_t>(options.resize_side_max - options.resize_side_min) + 1;
  const int side = options.resize_side_min + static_cast<int>(random.below(sides));
  const Size resized = resized_size(image, side);
  check_crop(resized, options.output_size);
  const auto offset = [&](int room) {
    return static_cast<int>(random.below(static_cast<std::uint64_t>(room) + 1));
  };
  ResizeFrame frame{resized.height, resized.width, {}, 0, 0};
  frame.window.height = options.output_size;
  frame.window.width = options.output_size;
  frame.window.top = offset(resized.height - options.output_size);
  frame.window.left = offset(resized.width - options.output_size);
  const bool flipped = random.below(2) == 1;
  resize_and_crop(image, frame, flipped, options, out);
}

}  // namespace narrow
