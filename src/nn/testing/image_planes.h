// Test support: images as training has them and as graphs have them.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "nn/reference/reference_operators.h"

namespace narrow {

// Calls copy(a, b) for every element: its index in [images, height, width, channels] and that in
// [images, channels, height, width].
inline void for_each_image_element(const Shape& planes,
                                   const std::function<void(std::size_t, std::size_t)>& copy) {
  const auto channels = static_cast<std::size_t>(planes[1]);
  const auto pixels = static_cast<std::size_t>(planes[2] * planes[3]);
  const std::size_t per_image = channels * pixels;
  for (std::size_t i = 0; i < static_cast<std::size_t>(planes[0]) * per_image; ++i) {
    const std::size_t in_image = i % per_image;
    copy(i, i - in_image + in_image % channels * pixels + in_image / channels);
  }
}

// [images, height, width, channels] as a tensor of that shape [images, channels, height, width].
inline ReferenceTensor as_planes(std::span<const float> images, Shape planes) {
  ReferenceTensor result = ReferenceTensor::zeros(std::move(planes));
  for_each_image_element(result.shape, [&](std::size_t i, std::size_t plane) {
    result.values[plane] = static_cast<double>(images[i]);
  });
  return result;
}

inline std::vector<double> as_pixels(const ReferenceTensor& planes) {
  std::vector<double> images(planes.values.size());
  for_each_image_element(
      planes.shape, [&](std::size_t i, std::size_t plane) { images[i] = planes.values[plane]; });
  return images;
}

}  // namespace narrow
