#include "tasks/convert/cast_elements.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "base/bytes.h"
#include "quant/elements/element_chunk.h"
#include "quant/kernels/half.h"

namespace narrow {
namespace {

constexpr std::size_t kChunk = 1024;

// Half a unit of the last place above the largest finite value, from where on values are infinite.
constexpr double kHalfEnd = 65520;
constexpr double kBFloat16End = 0x1.ffp127;

template <typename Format>
std::uint16_t small_float(double value, double end) {
  const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? Format::kSignBit : 0);
  if (std::isnan(value)) return static_cast<std::uint16_t>(sign | 0x7fffU);
  if (std::fabs(value) >= end) return static_cast<std::uint16_t>(sign | Format::kInfinityBits);
  return Format::from_double(value);
}

void store(DType to, double value, std::byte* out) {
  switch (to) {
    case DType::kFloat16:
      return store_le(out, small_float<Half>(value, kHalfEnd));
    case DType::kBFloat16:
      return store_le(out, small_float<BFloat16>(value, kBFloat16End));
    case DType::kFloat32:
      return store_le(out, std::bit_cast<std::uint32_t>(static_cast<float>(value)));
    default:
      return store_le(out, std::bit_cast<std::uint64_t>(value));
  }
}

// From where on values of `to` are infinite.
double end_of(DType to) {
  switch (to) {
    case DType::kFloat16:
      return kHalfEnd;
    case DType::kBFloat16:
      return kBFloat16End;
    case DType::kFloat32:
      return 0x1.ffffffp127;
    default:
      return std::numeric_limits<double>::infinity();
  }
}

}  // namespace

std::uint64_t cast_elements(DType from, std::span<const std::byte> bytes, DType to,
                            std::vector<std::byte>& out) {
  const std::size_t count = bytes.size() / element_size(from);
  const std::size_t size = element_size(to);
  const double end = end_of(to);
  std::uint64_t overflows = 0;
  out.resize(count * size);
  std::array<double, kChunk> values{};
  for (std::size_t done = 0; done < count; done += kChunk) {
    const std::size_t part = std::min(kChunk, count - done);
    load_as_double(from, bytes.data() + done * element_size(from), part, values.data());
    for (std::size_t i = 0; i < part; ++i) {
      if (std::isfinite(values[i]) && std::fabs(values[i]) >= end) ++overflows;
      store(to, values[i], out.data() + (done + i) * size);
    }
  }
  return overflows;
}

}  // namespace narrow
