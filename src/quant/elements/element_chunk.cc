#include "quant/elements/element_chunk.h"

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "base/bytes.h"
#include "quant/kernels/kernel_table.h"

namespace narrow {
namespace {

struct Float32Codec {
  using Stored = float;
  static double exact(Stored stored) { return stored; }
  static float nearest_float(Stored stored) { return stored; }
  static Stored round(double value) {
    return static_cast<float>(std::clamp(value, -double{FLT_MAX}, double{FLT_MAX}));
  }
};

struct Float64Codec {
  using Stored = double;
  static double exact(Stored stored) { return stored; }
  static float nearest_float(Stored stored) {
    // From here on rounding leads to infinity: the largest float32 and half a unit of its last
    // place.
    constexpr double kOverflow = 0x1.ffffffp127;
    if (!(std::fabs(stored) < kOverflow)) {
      return std::copysign(std::numeric_limits<float>::infinity(),
                           static_cast<float>(std::signbit(stored) ? -1 : 1));
    }
    return static_cast<float>(stored);
  }
  static Stored round(double value) { return value; }
};

// Calls body with the codec of a type of 32 or 64 bits.
template <typename Body>
void with_codec(DType dtype, const Body& body) {
  if (dtype == DType::kFloat64) return body(Float64Codec());
  body(Float32Codec());
}

const SmallFloatKernels& small_kernels(DType dtype) {
  return dtype == DType::kFloat16 ? kernels().half : kernels().bfloat16;
}

// Kernels take aligned elements: others go through this.
using SmallChunk = std::array<std::uint16_t, kChunk>;

// Calls body(begin, length) for chunks of `count` elements.
template <typename Body>
void for_each_chunk(std::size_t count, const Body& body) {
  for (std::size_t begin = 0; begin < count; begin += kChunk) {
    body(begin, std::min(kChunk, count - begin));
  }
}

void load_small(DType dtype, const std::byte* elements, std::size_t count, float* values) {
  const auto load = small_kernels(dtype).load;
  SmallChunk chunk;
  for_each_chunk(count, [&](std::size_t begin, std::size_t length) {
    std::memcpy(chunk.data(), elements + begin * sizeof(chunk[0]), length * sizeof(chunk[0]));
    load(chunk.data(), length, values + begin);
  });
}

}  // namespace

void store_small(DType dtype, const double* values, std::size_t count, std::byte* elements,
                 float* stored) {
  const auto store = small_kernels(dtype).store;
  SmallChunk chunk;
  for_each_chunk(count, [&](std::size_t begin, std::size_t length) {
    store(values + begin, length, chunk.data(), stored + begin);
    std::memcpy(elements + begin * sizeof(chunk[0]), chunk.data(), length * sizeof(chunk[0]));
  });
}

void load_as_float(DType dtype, const std::byte* elements, std::size_t count, float* values) {
  if (is_small_float(dtype)) return load_small(dtype, elements, count, values);
  with_codec(dtype, [=]<typename Codec>(Codec) {
    using Stored = typename Codec::Stored;
    for (std::size_t i = 0; i < count; ++i) {
      values[i] = Codec::nearest_float(load_le<Stored>(elements + i * sizeof(Stored)));
    }
  });
}

void load_as_double(DType dtype, const std::byte* elements, std::size_t count, double* values) {
  if (is_small_float(dtype)) {
    std::array<float, kChunk> floats;
    return for_each_chunk(count, [&](std::size_t begin, std::size_t length) {
      load_small(dtype, elements + begin * element_size(dtype), length, floats.data());
      std::copy_n(floats.begin(), length, values + begin);
    });
  }
  with_codec(dtype, [=]<typename Codec>(Codec) {
    using Stored = typename Codec::Stored;
    for (std::size_t i = 0; i < count; ++i) {
      values[i] = Codec::exact(load_le<Stored>(elements + i * sizeof(Stored)));
    }
  });
}

void store_rounded(DType dtype, double* values, std::size_t count, std::byte* elements) {
  if (is_small_float(dtype)) {
    std::array<float, kChunk> floats;
    return for_each_chunk(count, [&](std::size_t begin, std::size_t length) {
      store_small(dtype, values + begin, length, elements + begin * element_size(dtype),
                  floats.data());
      std::copy_n(floats.begin(), length, values + begin);
    });
  }
  with_codec(dtype, [=]<typename Codec>(Codec) {
    using Stored = typename Codec::Stored;
    for (std::size_t i = 0; i < count; ++i) {
      const Stored stored = Codec::round(values[i]);
      store_le(elements + i * sizeof(Stored), stored);
      values[i] = Codec::exact(stored);
    }
  });
}

}  // namespace narrow
