// One image with its padding, as kernels read it that look at windows. Internal to this folder.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/operators/window.h"
#include "nn/integer/code_array.h"
#include "nn/integer/integer_kernels.h"

namespace narrow {

// Where the windows of an image lie. Rows of a matrix are an image of one row.
struct ImagePlaces {
  std::int64_t height = 1;
  std::int64_t width = 1;
  std::int64_t out_height = 1;
  std::int64_t out_width = 1;
  std::int64_t step_y = 1;  // from one window to the next
  std::int64_t step_x = 1;
  // Of the first window, in the image with its padding.
  std::int64_t first_y = 0;
  std::int64_t first_x = 0;
  // Padding that windows look at.
  std::int64_t top = 0;
  std::int64_t bottom = 0;
  std::int64_t left = 0;
  std::int64_t right = 0;

  [[nodiscard]] bool has_padding() const { return top > 0 || bottom > 0 || left > 0 || right > 0; }
  [[nodiscard]] std::size_t pixels() const { return static_cast<std::size_t>(height * width); }
  [[nodiscard]] std::size_t out_pixels() const {
    return static_cast<std::size_t>(out_height * out_width);
  }
};

// Throws Error(kUnsupported) when no window fits.
ImagePlaces image_places(const Window& window, std::int64_t height, std::int64_t width);

// Code is what the kernel reads: 16-bit numbers less their offset, or bytes as they are stored.
template <typename Code>
class WindowImage {
 public:
  // `image`: the codes of one example, channels last, stored as `storage` says; they must outlive
  // this. They are copied where there is padding or they are stored otherwise. Throws what
  // held_elements throws.
  WindowImage(const void* image, CodeStorage storage, std::size_t stride,
              const ImagePlaces& places);

  [[nodiscard]] const ImagePlaces& places() const { return places_; }
  // The first channel of the first pixel that the window of a pixel of the result covers.
  [[nodiscard]] const Code* at(std::size_t out_pixel) const {
    const auto pixel = static_cast<std::int64_t>(out_pixel);
    const std::int64_t y = pixel / places_.out_width * places_.step_y + places_.first_y;
    const std::int64_t x = pixel % places_.out_width * places_.step_x + places_.first_x;
    return codes_ + (y * row_ + x) * stride_;
  }
  // Elements from one row or pixel, padding included, to the next.
  [[nodiscard]] std::ptrdiff_t row() const { return row_ * stride_; }
  [[nodiscard]] std::ptrdiff_t column() const { return stride_; }
  // From there to each tap, row by row.
  [[nodiscard]] std::vector<std::ptrdiff_t> taps(const Window& window) const;

 private:
  ImagePlaces places_;
  std::int64_t stride_;
  std::int64_t row_;  // pixels
  const Code* codes_;
  std::unique_ptr<Code[]> copy_;
};

}  // namespace narrow
