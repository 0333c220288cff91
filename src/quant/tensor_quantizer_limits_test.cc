// What a tensor may not contain, what its values may become at most, and how the class may not be
// used; tensor_quantizer_test.cc compares what it computes with the reference.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/bytes.h"
#include "narrow/error.h"
#include "quant/elements/element_chunk.h"
#include "quant/kernels/half.h"
#include "quant/tensor_quantizer.h"
#include "quant/testing/test_values.h"

namespace narrow {
namespace {

TEST(TensorQuantizer, NonFiniteValuesAreCountedNotQuantized) {
  for (const Granularity& granularity :
       {Granularity(), by_group(10), by_channel(0), by_channel(1)}) {
    for (const DType dtype : kFloatTypes) {
      Scheme scheme;
      scheme.granularity = granularity;
      const TensorInfo info{"bad", dtype, {40, 250}};
      std::vector<double> values(10000, 0.5);
      std::vector<std::byte> bytes(info.byte_size());
      store_rounded(dtype, values.data(), values.size(), bytes.data());
      const std::vector<std::byte> good = bytes;
      const std::size_t size = element_size(dtype);
      const auto put = [&](std::size_t at, double value) {
        if (dtype == DType::kFloat64) store_le(&bytes[at * size], value);
        if (dtype == DType::kFloat32) store_le(&bytes[at * size], static_cast<float>(value));
        const auto infinity =
            dtype == DType::kFloat16 ? Half::kInfinityBits : BFloat16::kInfinityBits;
        const int bits =
            infinity | (std::isnan(value) ? 1 : 0) | (std::signbit(value) ? 0x8000 : 0);
        if (size == 2) store_le(&bytes[at * size], static_cast<std::uint16_t>(bits));
      };
      put(777, -std::numeric_limits<double>::infinity());
      put(4242, std::numeric_limits<double>::quiet_NaN());
      put(9999, std::numeric_limits<double>::infinity());
      TensorQuantizer quantizer(scheme, info, 0);
      quantizer.scan(bytes);
      quantizer.finish_scan();
      EXPECT_EQ(quantizer.non_finite().count, 3U);
      EXPECT_EQ(quantizer.non_finite().first_index, 777U);
      EXPECT_THROW(quantizer.round_trip(0, bytes, nullptr), Error);
      EXPECT_TRUE(quantizer.block_params(10).empty());
    }
  }
}

TEST(TensorQuantizer, DoublesBeyondFloatAreNotFinite) {
  std::vector<double> values = {1, 3.5e38, -0x1.ffffffp127, 0x1.fffffefffffffp127};
  TensorQuantizer quantizer(Scheme(), {"t", DType::kFloat64, {4}}, 0);
  quantizer.scan(std::as_bytes(std::span(values)));
  quantizer.finish_scan();
  EXPECT_EQ(quantizer.non_finite().count, 2U);
  EXPECT_EQ(quantizer.non_finite().first_index, 1U);
}

TEST(TensorQuantizer, ClippedBlocksAreCounted) {
  for (const Granularity& granularity : {by_channel(0), by_channel(1), by_group(100)}) {
    Scheme scheme;
    scheme.kind = SchemeKind::kFixedPoint;
    scheme.scaling = Scaling::kDecimal;
    scheme.granularity = granularity;
    std::vector<float> values(20 * 100, 0.5F);
    values[105] = 1e6F;
    TensorQuantizer quantizer(scheme, {"t", DType::kFloat32, {20, 100}}, 0);
    quantizer.scan(std::as_bytes(std::span(values)));
    quantizer.finish_scan();
    EXPECT_EQ(quantizer.clipped_blocks(), 1U);
  }
}

TEST(TensorQuantizer, LargestValuesStayFinite) {
  for (const DType dtype : kFloatTypes) {
    for (Scheme scheme : all_schemes()) {
      for (const int bits : {2, 3, 8}) {
        scheme.bits = bits;
        const double largest = dtype == DType::kFloat16 ? 65504.0 : 0x1.fep127;
        std::vector<double> values = {largest, -largest, largest / 3, 0};
        std::vector<std::byte> bytes(values.size() * element_size(dtype));
        store_rounded(dtype, values.data(), values.size(), bytes.data());
        TensorQuantizer quantizer(scheme, {"t", dtype, {4}}, 0);
        quantizer.scan(bytes);
        quantizer.finish_scan();
        quantizer.round_trip(0, bytes, nullptr);
        load_as_double(dtype, bytes.data(), values.size(), values.data());
        for (const double value : values) EXPECT_TRUE(std::isfinite(value)) << scheme_text(scheme);
      }
    }
  }
}

TEST(TensorQuantizer, WrongUseIsRefused) {
  Scheme scheme;
  EXPECT_THROW(TensorQuantizer(scheme, {"t", DType::kInt32, {4}}, 0), Error);
  scheme.granularity = by_channel(2);
  EXPECT_THROW(TensorQuantizer(scheme, {"t", DType::kFloat32, {4, 4}}, 0), Error);
  EXPECT_NO_THROW(TensorQuantizer(scheme, {"t", DType::kFloat32, {4}}, 0));
  scheme.granularity = {};
  std::vector<float> values(5000000);
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(values));
  TensorQuantizer quantizer(scheme, {"t", DType::kFloat32, {5000000}}, 0);
  EXPECT_THROW(quantizer.scan(bytes.first(3)), Error);
  quantizer.scan(bytes.first(4000));
  EXPECT_THROW(quantizer.finish_scan(), Error);
  EXPECT_THROW(quantizer.scan(bytes), Error);
  EXPECT_THROW(quantizer.round_trip(0, bytes, nullptr), Error);
  quantizer.scan(bytes.subspan(4000));
  quantizer.finish_scan();
  EXPECT_THROW(quantizer.round_trip(0, bytes, nullptr), Error);
  EXPECT_THROW(quantizer.round_trip(1, bytes.first(4), nullptr), Error);
  EXPECT_THROW(quantizer.round_trip(std::uint64_t{262144} * 1000, {}, nullptr), Error);
  EXPECT_NO_THROW(quantizer.round_trip(0, bytes.first(262144 * 4), nullptr));
}

}  // namespace
}  // namespace narrow
