#include "data/images/pillow_resize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "narrow/error.h"

namespace narrow {
namespace {

// Of a weight below the point: products of 8 bits, and two bits for sums beyond 255 and below 0.
constexpr int kWeightBits = 32 - 8 - 2;

struct Filter {
  double support = 0;
  double (*weight)(double) = nullptr;
};

double bilinear_weight(double x) {
  x = std::abs(x);
  return x < 1 ? 1 - x : 0;
}

double bicubic_weight(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1) return ((kA + 2) * x - (kA + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0;
}

Filter filter_of(Interpolation interpolation) {
  if (interpolation == Interpolation::kBilinear) return {1, &bilinear_weight};
  return {2, &bicubic_weight};
}

// What one output pixel is made of: inputs first, first + 1, ... and their weights.
struct Taps {
  int first = 0;
  std::vector<int> weights;
};

int fixed_point(double weight) {
  const double scaled = weight * (1 << kWeightBits);
  return static_cast<int>(weight < 0 ? scaled - 0.5 : scaled + 0.5);
}

// The taps of output pixels begin .. begin + count - 1 of `output`.
std::vector<Taps> taps_of(int input, int output, const Filter& filter, int begin, int count) {
  const double scale = static_cast<double>(input) / output;
  const double stretch = std::max(scale, 1.0);
  const double support = filter.support * stretch;
  const double per_stretch = 1.0 / stretch;
  std::vector<Taps> all(static_cast<std::size_t>(count));
  std::vector<double> weights;
  for (int i = 0; i < count; ++i) {
    const double center = (begin + i + 0.5) * scale;
    Taps& taps = all[static_cast<std::size_t>(i)];
    taps.first = std::max(static_cast<int>(center - support + 0.5), 0);
    const int end = std::min(static_cast<int>(center + support + 0.5), input);
    weights.clear();
    double sum = 0;
    for (int x = taps.first; x < end; ++x) {
      weights.push_back(filter.weight((x - center + 0.5) * per_stretch));
      sum += weights.back();
    }
    for (const double weight : weights) {
      taps.weights.push_back(fixed_point(sum == 0 ? weight : weight / sum));
    }
  }
  return all;
}

std::uint8_t to_pixel(int sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

constexpr int kHalf = 1 << (kWeightBits - 1);

std::size_t row_bytes(int width) { return static_cast<std::size_t>(width) * kImageChannels; }

// Rows top .. top + rows - 1, columns left .. left + width - 1; all within the image.
Image cut(const Image& image, int top, int rows, int left, int width) {
  Image part{rows, width, {}};
  part.pixels.reserve(static_cast<std::size_t>(rows) * row_bytes(width));
  for (int y = top; y < top + rows; ++y) {
    const std::uint8_t* from = image.pixels.data() +
                               static_cast<std::size_t>(y) * row_bytes(image.width) +
                               row_bytes(left);
    part.pixels.insert(part.pixels.end(), from, from + row_bytes(width));
  }
  return part;
}

// Every row of the result is made of row top, top + 1, ... of the image.
Image resize_rows(const Image& image, int top, int rows, const std::vector<Taps>& columns) {
  Image part{rows, static_cast<int>(columns.size()), {}};
  part.pixels.resize(static_cast<std::size_t>(rows) * row_bytes(part.width));
  std::uint8_t* to = part.pixels.data();
  for (int y = top; y < top + rows; ++y) {
    const std::uint8_t* row =
        image.pixels.data() + static_cast<std::size_t>(y) * row_bytes(image.width);
    for (const Taps& taps : columns) {
      const std::uint8_t* from = row + row_bytes(taps.first);
      int red = kHalf;
      int green = kHalf;
      int blue = kHalf;
      for (const int weight : taps.weights) {
        red += from[0] * weight;
        green += from[1] * weight;
        blue += from[2] * weight;
        from += kImageChannels;
      }
      *to++ = to_pixel(red);
      *to++ = to_pixel(green);
      *to++ = to_pixel(blue);
    }
  }
  return part;
}

// Row 0 of `image` is row `top` of the picture that the taps speak of.
Image resize_columns(const Image& image, int top, const std::vector<Taps>& lines) {
  Image part{static_cast<int>(lines.size()), image.width, {}};
  const std::size_t bytes = row_bytes(image.width);
  part.pixels.resize(lines.size() * bytes);
  std::vector<int> sums(bytes);
  std::uint8_t* to = part.pixels.data();
  for (const Taps& taps : lines) {
    std::ranges::fill(sums, kHalf);
    const std::uint8_t* from =
        image.pixels.data() + static_cast<std::size_t>(taps.first - top) * bytes;
    for (const int weight : taps.weights) {
      for (std::size_t i = 0; i < bytes; ++i) sums[i] += from[i] * weight;
      from += bytes;
    }
    to = std::ranges::transform(sums, to, &to_pixel).out;
  }
  return part;
}

}  // namespace

std::string_view to_string(Interpolation interpolation) noexcept {
  return interpolation == Interpolation::kBilinear ? "bilinear" : "bicubic";
}

Interpolation parse_interpolation(std::string_view name) {
  for (const Interpolation one : {Interpolation::kBilinear, Interpolation::kBicubic}) {
    if (name == to_string(one)) return one;
  }
  throw Error(ErrorCategory::kUsage,
              fmt::format("there is no interpolation {}; choose bilinear or bicubic", name));
}

Image resize_like_pillow(const Image& image, int height, int width, Interpolation interpolation,
                         const PixelWindow& window) {
  const Filter filter = filter_of(interpolation);
  const bool keeps_height = height == image.height;
  int top = window.top;
  int rows = window.height;
  std::vector<Taps> lines;
  if (!keeps_height) {
    lines = taps_of(image.height, height, filter, window.top, window.height);
    top = lines.front().first;
    rows = lines.back().first + static_cast<int>(lines.back().weights.size()) - top;
  }
  const Image part =
      width == image.width
          ? cut(image, top, rows, window.left, window.width)
          : resize_rows(image, top, rows,
                        taps_of(image.width, width, filter, window.left, window.width));
  return keeps_height ? part : resize_columns(part, top, lines);
}

}  // namespace narrow
