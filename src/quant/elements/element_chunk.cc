#include "quant/elements/element_chunk.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>
#include <utility>

#include "base/bytes.h"
#include "quant/elements/half.h"

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

template <typename Format>
struct SmallCodec {
  using Stored = std::uint16_t;
  static double exact(Stored stored) { return Format::to_float(stored); }
  static float nearest_float(Stored stored) { return Format::to_float(stored); }
  static Stored round(double value) { return Format::from_double(value); }
};

// Calls body with the codec of the type.
template <typename Body>
void with_codec(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::kFloat64:
      return body(Float64Codec());
    case DType::kFloat16:
      return body(SmallCodec<Half>());
    case DType::kBFloat16:
      return body(SmallCodec<BFloat16>());
    default:
      return body(Float32Codec());
  }
}

}  // namespace

void load_as_float(DType dtype, const std::byte* elements, std::size_t count, float* values) {
  with_codec(dtype, [=]<typename Codec>(Codec) {
    using Stored = typename Codec::Stored;
    for (std::size_t i = 0; i < count; ++i) {
      values[i] = Codec::nearest_float(load_le<Stored>(elements + i * sizeof(Stored)));
    }
  });
}

void load_as_double(DType dtype, const std::byte* elements, std::size_t count, double* values) {
  with_codec(dtype, [=]<typename Codec>(Codec) {
    using Stored = typename Codec::Stored;
    for (std::size_t i = 0; i < count; ++i) {
      values[i] = Codec::exact(load_le<Stored>(elements + i * sizeof(Stored)));
    }
  });
}

void store_rounded(DType dtype, double* values, std::size_t count, std::byte* elements) {
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
