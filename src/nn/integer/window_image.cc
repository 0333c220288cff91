#include "nn/integer/window_image.h"

#include <algorithm>
#include <type_traits>

namespace narrow {
namespace {

// What kernels may read behind the last pixel.
constexpr std::size_t kSlack = 64;

void copy_codes(const std::uint8_t* from, std::size_t count, std::int32_t /*offset*/,
                std::uint8_t* to) {
  std::copy_n(from, count, to);
}
void copy_codes(const std::int16_t* from, std::size_t count, std::int32_t /*offset*/,
                std::int16_t* to) {
  std::copy_n(from, count, to);
}
void copy_codes(const std::uint8_t* from, std::size_t count, std::int32_t offset,
                std::int16_t* to) {
  integer::integer_kernels().widen(from, count, offset, to);
}

// The image at `from` with its padding around it.
template <typename From, typename Code>
void copy_padded(const From* from, const ImagePlaces& places, std::size_t stride,
                 std::int32_t offset, Code padding, Code* to) {
  const auto codes = [&](std::int64_t pixels) { return static_cast<std::size_t>(pixels) * stride; };
  const std::int64_t row = places.left + places.width + places.right;
  if (!places.has_padding()) {
    copy_codes(from, codes(places.height * row), offset, to);
    return;
  }
  to = std::fill_n(to, codes(places.top * row), padding);
  for (std::int64_t y = 0; y < places.height; ++y) {
    to = std::fill_n(to, codes(places.left), padding);
    copy_codes(from, codes(places.width), offset, to);
    from += codes(places.width);
    to = std::fill_n(to + codes(places.width), codes(places.right), padding);
  }
  std::fill_n(to, codes(places.bottom * row), padding);
}

}  // namespace

ImagePlaces image_places(const Window& window, std::int64_t height, std::int64_t width) {
  const WindowPlaces rows = window_places(window, 0, height);
  const WindowPlaces columns = window_places(window, 1, width);
  const auto behind = [&](const WindowPlaces& axis, std::size_t i, std::int64_t size) {
    const std::int64_t end = (axis.count - 1) * window.strides[i] + window.extent(i) - axis.before;
    return std::max<std::int64_t>(end - size, 0);
  };
  ImagePlaces places;
  places.height = height;
  places.width = width;
  places.out_height = rows.count;
  places.out_width = columns.count;
  places.step_y = window.strides[0];
  places.step_x = window.strides[1];
  places.top = std::max<std::int64_t>(rows.before, 0);
  places.left = std::max<std::int64_t>(columns.before, 0);
  places.bottom = behind(rows, 0, height);
  places.right = behind(columns, 1, width);
  places.first_y = places.top - rows.before;
  places.first_x = places.left - columns.before;
  return places;
}

template <typename Code>
WindowImage<Code>::WindowImage(const void* image, CodeStorage storage, std::size_t stride,
                               const ImagePlaces& places)
    : places_(places),
      stride_(static_cast<std::int64_t>(stride)),
      row_(places.left + places.width + places.right) {
  const bool is_byte = storage.width == CodeWidth::kByte;
  const bool is_same = is_byte == std::is_same_v<Code, std::uint8_t>;
  if (is_same && !places.has_padding()) {
    codes_ = static_cast<const Code*>(image);
    return;
  }
  const std::int64_t rows = places.top + places.height + places.bottom;
  const std::size_t count = held_elements({rows, row_, stride_});
  copy_ = std::make_unique_for_overwrite<Code[]>(count + kSlack);
  codes_ = copy_.get();
  if constexpr (std::is_same_v<Code, std::uint8_t>) {
    copy_padded(static_cast<const std::uint8_t*>(image), places, stride, 0,
                static_cast<std::uint8_t>(storage.offset), copy_.get());
  } else if (is_byte) {
    copy_padded(static_cast<const std::uint8_t*>(image), places, stride, storage.offset,
                std::int16_t{0}, copy_.get());
  } else {
    copy_padded(static_cast<const std::int16_t*>(image), places, stride, 0, std::int16_t{0},
                copy_.get());
  }
}

template <typename Code>
std::vector<std::ptrdiff_t> WindowImage<Code>::taps(const Window& window) const {
  if (window.rank() == 0) return {0};
  std::vector<std::ptrdiff_t> places;
  for (std::int64_t y = 0; y < window.kernel[0]; ++y) {
    for (std::int64_t x = 0; x < window.kernel[1]; ++x) {
      places.push_back((y * window.dilations[0] * row_ + x * window.dilations[1]) * stride_);
    }
  }
  return places;
}

template class WindowImage<std::uint8_t>;
template class WindowImage<std::int16_t>;

}  // namespace narrow
