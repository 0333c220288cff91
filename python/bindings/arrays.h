// Arrays of Python as the library has them, and back.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "narrow/tensor.h"

namespace narrow::python {

// Contiguous in row-major order, in the memory of the CPU.
using Floats = nanobind::ndarray<const float, nanobind::c_contig, nanobind::device::cpu>;
using WritableFloats = nanobind::ndarray<float, nanobind::c_contig, nanobind::device::cpu>;
// The bytes of any array.
using Bytes = nanobind::ndarray<const std::uint8_t, nanobind::ndim<1>, nanobind::c_contig,
                                nanobind::device::cpu>;
using WritableBytes =
    nanobind::ndarray<std::uint8_t, nanobind::ndim<1>, nanobind::c_contig, nanobind::device::cpu>;

template <typename Array>
Shape shape_of(const Array& array) {
  Shape shape;
  for (std::size_t i = 0; i < array.ndim(); ++i) {
    shape.push_back(static_cast<std::int64_t>(array.shape(i)));
  }
  return shape;
}

template <typename Array>
auto values_of(const Array& array) {
  return std::span(array.data(), array.size());
}

// An array of NumPy over the memory of `values`, which it keeps alive.
template <typename T>
nanobind::object numpy_array(std::vector<T> values, const Shape& shape) {
  auto* kept = new std::vector<T>(std::move(values));
  const nanobind::capsule owner(
      kept, [](void* memory) noexcept { delete static_cast<std::vector<T>*>(memory); });
  const std::vector<std::size_t> sizes(shape.begin(), shape.end());
  return nanobind::cast(
      nanobind::ndarray<nanobind::numpy, T>(kept->data(), sizes.size(), sizes.data(), owner));
}

}  // namespace narrow::python
