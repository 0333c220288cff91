#include "narrow/quantize_tensor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/testing/expected_error.h"
#include "quant/blocks/block_layout.h"
#include "quant/packing/pack_bits.h"
#include "quant/reference_quantizer.h"
#include "quant/testing/test_values.h"

namespace narrow {
namespace {

std::vector<float> values_for(const Shape& shape) {
  RandomStream random(7, "array");
  std::vector<float> values(static_cast<std::size_t>(element_count(shape)));
  for (float& value : values) value = static_cast<float>(random.uniform() * 3 - 1);
  return values;
}

// The other form of the result says the same.
void expect_packed(const std::vector<float>& values, const QuantizedTensor& expected) {
  std::vector<std::byte> codes(
      static_cast<std::size_t>(packed_code_bytes(expected.shape, expected.scheme)));
  const PackedTensor found = quantize_packed(values, expected.shape, expected.scheme, codes);
  EXPECT_EQ(codes, pack_codes(expected));
  EXPECT_EQ(found.params, expected.params);
  EXPECT_EQ(found.errors.sum_d2, expected.errors.sum_d2);
  std::vector<float> restored(values.size());
  dequantize(found, restored);
  EXPECT_EQ(restored, dequantize(expected));
  const DType type = code_type(found);
  std::vector<std::byte> numbers(values.size() * element_size(type));
  unpack_codes(found, numbers);
  const bool is_signed = type == DType::kInt8 || type == DType::kInt16 || type == DType::kInt32;
  const auto unused = static_cast<int>(64 - 8 * element_size(type));
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, numbers.data() + i * element_size(type), element_size(type));
    const auto number = static_cast<std::int64_t>(bits << unused) >> unused;
    ASSERT_EQ(is_signed ? number : static_cast<std::int64_t>(bits), expected.codes[i]) << i;
  }
}

// Block by block with the functions for one block.
void expect_blocks(const std::vector<float>& values, const QuantizedTensor& found) {
  const BlockLayout layout =
      block_layout(found.scheme.granularity, {"x", DType::kFloat32, found.shape}, -1);
  ASSERT_EQ(found.params.size(), layout.blocks);
  ASSERT_EQ(found.codes.size(), values.size());
  std::vector<std::vector<float>> members(layout.blocks);
  for (std::size_t i = 0; i < values.size(); ++i) {
    members[layout.block_of(i)].push_back(values[i]);
  }
  for (std::size_t b = 0; b < members.size(); ++b) {
    EXPECT_EQ(found.params[b], fit(members[b], found.scheme)) << "block " << b;
  }
  const std::vector<float> restored = dequantize(found);
  ASSERT_EQ(restored.size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const BlockParams& params = found.params[layout.block_of(i)];
    ASSERT_EQ(found.codes[i], reference_code(values[i], found.scheme, params)) << i;
    ASSERT_EQ(restored[i], reference_float(reference_value(found.codes[i], found.scheme, params)))
        << i;
  }
  expect_packed(values, found);
}

TEST(QuantizeTensor, IsEveryBlockByItself) {
  const std::vector<Shape> shapes = {{}, {0}, {5}, {3, 4, 2, 5}, {130, 4100}, {2, 3, 90000}};
  std::vector<Scheme> schemes = all_schemes();
  for (const Scheme& scheme : value_schemes()) schemes.push_back(scheme);
  for (const Scheme& scheme : format_schemes()) schemes.push_back(scheme);
  const std::vector<Granularity> granularities = {{}, by_group(7), by_channel(0), by_channel(-1)};
  for (const Shape& shape : shapes) {
    const std::vector<float> values = values_for(shape);
    const bool is_large = values.size() > 1000;
    for (Scheme scheme : schemes) {
      const bool is_plain =
          scheme.range == Range{} && takes_range(scheme.kind) && !has_format(scheme);
      if (is_large && !is_plain) continue;
      for (const Granularity& granularity : granularities) {
        scheme.granularity = granularity;
        for (const int bits : is_large ? std::vector<int>{3} : std::vector<int>{3, 8}) {
          scheme.bits = bits;
          SCOPED_TRACE(to_string(scheme.kind));
          SCOPED_TRACE(to_string(granularity));
          SCOPED_TRACE(to_string(shape));
          expect_blocks(values, quantize(values, shape, scheme));
        }
      }
    }
  }
}

TEST(QuantizeTensor, TakesSeveralAxesForChannelsAndManyBlocks) {
  Scheme scheme;
  scheme.granularity = by_channel(0);
  scheme.granularity.axis_count = 2;
  for (const Shape& shape : {Shape{3, 4, 2, 5}, Shape{300, 301, 2}}) {
    const std::vector<float> values = values_for(shape);
    expect_blocks(values, quantize(values, shape, scheme));
  }
}

TEST(QuantizeTensor, HasTheErrorsOfTheRestoredValues) {
  const Shape shape = {40, 30};
  const std::vector<float> values = values_for(shape);
  Scheme scheme;
  scheme.bits = 5;
  const ErrorSums one_block = quantize(values, shape, scheme).errors;
  std::vector<float> restored(values.size());
  const ErrorSums expected = round_trip(values, scheme, fit(values, scheme), restored);
  EXPECT_EQ(one_block.sum_d2, expected.sum_d2);
  EXPECT_EQ(one_block.sum_x2, expected.sum_x2);
  EXPECT_EQ(one_block.max_abs_d, expected.max_abs_d);
  EXPECT_EQ(dequantize(quantize(values, shape, scheme)), restored);
}

TEST(QuantizeTensor, TakesTheLastAxisForChannelsAndNamesIt) {
  const Shape shape = {2, 3, 4};
  Scheme scheme;
  scheme.granularity.kind = Granularity::Kind::kChannel;
  const QuantizedTensor last = quantize(values_for(shape), shape, scheme);
  EXPECT_EQ(last.params.size(), 4U);
  EXPECT_EQ(last.scheme.granularity.axis, -1);
  scheme.granularity.axis_count = 2;
  EXPECT_EQ(quantize(values_for(shape), shape, scheme).params.size(), 12U);
  scheme.granularity = by_channel(0);
  EXPECT_EQ(quantize(values_for(shape), shape, scheme).params.size(), 2U);
}

TEST(QuantizeTensor, ClampsCodesAsDecodeDoes) {
  const Shape shape = {2};
  QuantizedTensor tensor = quantize(std::vector<float>{-1, 1}, shape, {});
  const std::vector<float> ends = dequantize(tensor);
  tensor.codes = {-1000, 1000};
  EXPECT_EQ(dequantize(tensor), ends);
}

TEST(QuantizeTensor, RefusesWhatDoesNotFit) {
  const std::vector<float> values(6, 1);
  const auto refuses = [](ErrorCategory category, auto&& action) {
    EXPECT_FALSE(error_message(category, action).empty());
  };
  refuses(ErrorCategory::kUsage, [&] { quantize(values, {7}, {}); });
  Scheme scheme;
  scheme.granularity = by_channel(2);
  refuses(ErrorCategory::kUsage, [&] { quantize(values, {2, 3}, scheme); });
  for (const int count : {0, -1, std::numeric_limits<int>::min(), 3}) {
    scheme.granularity = {.kind = Granularity::Kind::kChannel, .axis = {}, .axis_count = count};
    refuses(ErrorCategory::kUsage, [&] { quantize(values, {2, 3}, scheme); });
  }
  refuses(ErrorCategory::kCorrupt, [&] { quantize(values, {-2, -3}, {}); });
  scheme.bits = 40;
  refuses(ErrorCategory::kUsage, [&] { quantize(values, {2, 3}, scheme); });
  std::vector<float> bad = values;
  bad[4] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(error_message(ErrorCategory::kNumeric,
                          [&] {
                            quantize(bad, {2, 3}, {});
                          })
                .find("first at index 4"),
            std::string::npos);
  std::vector<std::byte> too_few(5);
  refuses(ErrorCategory::kUsage, [&] { quantize_packed(values, {2, 3}, {}, too_few); });
  QuantizedTensor tensor = quantize(values, {2, 3}, {});
  tensor.params.clear();
  refuses(ErrorCategory::kUsage, [&] { dequantize(tensor); });
  tensor = quantize(values, {2, 3}, {});
  tensor.codes.pop_back();
  refuses(ErrorCategory::kUsage, [&] { dequantize(tensor); });
}

TEST(QuantizeTensor, FakeQuantizationIsBothWaysAtOnce) {
  const Shape shape = {130, 4100};
  const std::vector<float> values = values_for(shape);
  for (const Granularity& granularity : {Granularity{}, by_group(7), by_channel(0)}) {
    const Scheme scheme{.kind = SchemeKind::kAffine, .bits = 3, .granularity = granularity};
    const QuantizedTensor quantized = quantize(values, shape, scheme);
    std::vector<float> restored(values.size());
    const ErrorSums errors = fake_quantize(values, shape, scheme, restored);
    EXPECT_EQ(restored, dequantize(quantized));
    EXPECT_EQ(errors.sum_d2, quantized.errors.sum_d2);
    std::vector<float> in_place = values;
    fake_quantize(in_place, shape, scheme, in_place);
    EXPECT_EQ(in_place, restored);
  }
  std::vector<float> too_few(values.size() - 1);
  EXPECT_EQ(category_of([&] { fake_quantize(values, shape, {}, too_few); }), ErrorCategory::kUsage);
}

TEST(QuantizeTensor, PackedCodesLieSideBySide) {
  const std::vector<float> values = {-3, -1, 0, 1, 2, 3};
  Scheme scheme;
  scheme.kind = SchemeKind::kSymmetric;
  scheme.bits = 3;
  const QuantizedTensor small = quantize(values, {6}, scheme);
  EXPECT_EQ(small.codes, (std::vector<std::int64_t>{-3, -1, 0, 1, 2, 3}));
  // 101 111 000 001 010 011, each from its lowest bit on.
  EXPECT_EQ(pack_codes(small),
            (std::vector<std::byte>{std::byte{0x3d}, std::byte{0xa2}, std::byte{0x01}}));
  const Shape shape = {2, 3, 30000};
  Scheme bins;
  bins.bits = 5;
  const QuantizedTensor large = quantize(values_for(shape), shape, bins);
  const std::vector<std::byte> packed = pack_codes(large);
  ASSERT_EQ(packed.size(), (large.codes.size() * 5 + 7) / 8);
  std::vector<std::uint32_t> numbers(large.codes.size());
  unpack_bits(packed, 5, 0, numbers);
  EXPECT_TRUE(std::ranges::equal(numbers, large.codes));
}

TEST(QuantizeTensor, NumbersHaveTheSmallestTypeThatHoldsEveryCode) {
  const auto type_of = [](SchemeKind kind, int bits) {
    Scheme scheme;
    scheme.kind = kind;
    scheme.bits = bits;
    std::vector<std::byte> codes(static_cast<std::size_t>(packed_code_bytes({2}, scheme)));
    return code_type(quantize_packed(std::vector<float>{-1, 1}, {2}, scheme, codes));
  };
  EXPECT_EQ(type_of(SchemeKind::kAffine, 8), DType::kUInt8);
  EXPECT_EQ(type_of(SchemeKind::kSymmetric, 8), DType::kInt8);
  EXPECT_EQ(type_of(SchemeKind::kBin, 9), DType::kUInt16);
  EXPECT_EQ(type_of(SchemeKind::kFixedPoint, 16), DType::kInt16);
  EXPECT_EQ(type_of(SchemeKind::kBin, 32), DType::kUInt32);
}

}  // namespace
}  // namespace narrow
