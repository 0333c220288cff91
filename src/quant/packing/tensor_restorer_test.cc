#include "quant/packing/tensor_restorer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>
#include <vector>

#include "narrow/error.h"
#include "quant/elements/element_chunk.h"
#include "quant/kernels/simd_targets.h"
#include "quant/packing/pack_bits.h"
#include "quant/tensor_quantizer.h"
#include "quant/testing/test_values.h"

namespace narrow {
namespace {

struct Packed {
  std::vector<std::byte> codes;
  std::vector<BlockParams> params;
  std::vector<std::byte> expected;  // what round_trip gives
};

TensorQuantizer scanned(const Scheme& scheme, const TensorInfo& info,
                        const std::vector<std::byte>& bytes) {
  TensorQuantizer quantizer(scheme, info, -1);
  quantizer.scan(bytes);
  quantizer.finish_scan();
  return quantizer;
}

// The pieces of `encode` put together: the last byte of one may be the first of the next.
Packed pack(const Scheme& scheme, const TensorInfo& info, const std::vector<std::byte>& bytes) {
  const TensorQuantizer quantizer = scanned(scheme, info, bytes);
  const std::uint64_t elements = element_count(info.shape);
  const std::size_t size = element_size(info.dtype);
  Packed packed{std::vector<std::byte>(*packed_byte_count(elements, scheme.bits)), {}, bytes};
  for (std::uint64_t first = 0; first < elements; first += quantizer.piece_elements()) {
    const std::uint64_t count = std::min(quantizer.piece_elements(), elements - first);
    std::vector<std::byte> codes;
    std::vector<BlockParams> params;
    quantizer.encode(first, std::span(bytes).subspan(first * size, count * size), &codes, &params);
    const auto begin = first * static_cast<std::uint64_t>(scheme.bits) / 8;
    for (std::size_t i = 0; i < codes.size(); ++i) packed.codes[begin + i] |= codes[i];
    packed.params.insert(packed.params.end(), params.begin(), params.end());
    quantizer.round_trip(first, std::span(packed.expected).subspan(first * size, count * size),
                         nullptr);
  }
  return packed;
}

void store(std::span<const BlockParams> params, TensorRestorer& restorer) {
  while (!params.empty()) {
    const auto part = params.first(std::min(params.size(), restorer.most_at_once()));
    restorer.store_blocks(part);
    params = params.subspan(part.size());
  }
}

std::vector<std::byte> restored(const Scheme& scheme, const TensorInfo& info,
                                const Packed& packed) {
  TensorRestorer restorer(scheme, info, -1);
  EXPECT_EQ(restorer.block_count(), packed.params.size());
  std::vector<std::byte> values(info.byte_size());
  const std::size_t size = element_size(info.dtype);
  const auto bits = static_cast<std::uint64_t>(scheme.bits);
  std::size_t params_done = 0;
  for (std::uint64_t first = 0; first * size < values.size(); first += restorer.piece_elements()) {
    const std::uint64_t count = std::min(restorer.piece_elements(), values.size() / size - first);
    const std::uint64_t begin = first * bits / 8;
    const std::uint64_t end = ((first + count) * bits + 7) / 8;
    const auto params =
        std::span(packed.params).subspan(params_done, restorer.params_with_piece(first));
    params_done += params.size();
    if (restorer.stores_blocks()) store(params, restorer);
    restorer.restore(first, std::span(packed.codes).subspan(begin, end - begin),
                     restorer.stores_blocks() ? std::span<const BlockParams>() : params,
                     std::span(values).subspan(first * size, count * size));
  }
  EXPECT_EQ(params_done, packed.params.size());
  return values;
}

std::vector<std::byte> random_bytes(DType dtype, std::uint64_t count, ValueKind kind,
                                    RandomStream* random) {
  const std::vector<float> values = random_values(kind, count, random);
  std::vector<double> doubles(values.begin(), values.end());
  std::vector<std::byte> bytes(count * element_size(dtype));
  store_rounded(dtype, doubles.data(), count, bytes.data());
  return bytes;
}

void expect_the_same(const Scheme& scheme, const TensorInfo& info, ValueKind kind,
                     RandomStream* random) {
  const auto bytes = random_bytes(info.dtype, element_count(info.shape), kind, random);
  const Packed packed = pack(scheme, info, bytes);
  EXPECT_EQ(restored(scheme, info, packed), packed.expected)
      << scheme_text(scheme) << to_string(info.dtype) << to_string(info.shape);
}

Granularity random_granularity(RandomStream* random) {
  Granularity granularity;
  granularity.kind = static_cast<Granularity::Kind>(random->below(3));
  granularity.group_size = static_cast<std::int64_t>(1 + random->below(50));
  if (random->below(2) == 0) granularity.axis = static_cast<int>(random->below(2)) - 1;
  return granularity;
}

TEST(TensorRestorer, GivesWhatRoundTripGivesForFitsOfAllValues) {
  RandomStream random(8, "values");
  for (const std::string& target : runnable_simd_targets()) {
    const ForcedSimdTarget forced(target);
    for (Scheme scheme : value_schemes()) {
      for (int i = 0; i < 5; ++i) {
        scheme.bits = 2 + static_cast<int>(random.below(7));
        scheme.granularity = random_granularity(&random);
        const TensorInfo info{"t",
                              std::array{DType::kFloat32, DType::kFloat16}.at(random.below(2)),
                              {static_cast<std::int64_t>(1 + random.below(30)),
                               static_cast<std::int64_t>(random.below(200))}};
        expect_the_same(scheme, info, kValueKinds.at(random.below(kValueKinds.size())), &random);
      }
    }
  }
}

TEST(TensorRestorer, GivesWhatRoundTripGivesForEveryTarget) {
  RandomStream random(7, "targets");
  for (const std::string& target : runnable_simd_targets()) {
    const ForcedSimdTarget forced(target);
    for (Scheme scheme : all_schemes()) {
      for (int i = 0; i < 30; ++i) {
        scheme.bits = 2 + static_cast<int>(random.below(31));
        scheme.granularity = random_granularity(&random);
        const TensorInfo info{"t",
                              std::array{DType::kFloat32, DType::kFloat16, DType::kBFloat16,
                                         DType::kFloat64}[random.below(4)],
                              {static_cast<std::int64_t>(1 + random.below(30)),
                               static_cast<std::int64_t>(random.below(200))}};
        expect_the_same(scheme, info, kValueKinds.at(random.below(kValueKinds.size())), &random);
      }
    }
  }
}

TEST(TensorRestorer, PiecesMayMeetInsideAByte) {
  RandomStream random(1, "pieces");
  Scheme scheme;
  scheme.bits = 3;
  scheme.granularity = {Granularity::Kind::kGroup, 100, {}};
  expect_the_same(scheme, {"groups", DType::kFloat32, {kPieceElements * 2 + 77}},
                  ValueKind::kNormal, &random);
  scheme.granularity = {};
  expect_the_same(scheme, {"runs", DType::kFloat32, {kPieceElements + 5}}, ValueKind::kNormal,
                  &random);
  scheme.granularity.kind = Granularity::Kind::kChannel;
  expect_the_same(scheme, {"rows", DType::kFloat16, {kPieceElements / 32, 33}}, ValueKind::kNormal,
                  &random);
}

TEST(TensorRestorer, MoreBlocksThanConstantsAreKeptFor) {
  RandomStream random(3, "many blocks");
  std::vector<Scheme> schemes = all_schemes();
  schemes.push_back(value_schemes().back());
  for (Scheme scheme : schemes) {
    scheme.bits = 2;
    scheme.granularity = by_channel(1);
    const DType dtype = kFloatTypes.at(random.below(kFloatTypes.size()));
    expect_the_same(scheme, {"t", dtype, {2, 131'075, 3}}, ValueKind::kGrid, &random);
  }
  schemes.front().granularity = by_channel(1);
  for (const Shape& shape : {Shape{2, 300'000}, Shape{2, 65'537, 64}}) {
    expect_the_same(schemes.front(), {"t", DType::kFloat32, shape}, ValueKind::kGrid, &random);
  }
}

TEST(TensorRestorer, AsksForTheParametersOfEveryPiece) {
  const TensorInfo info{"t", DType::kFloat32, {2, 300'000}};
  Scheme scheme;
  scheme.granularity = by_channel(1);
  TensorRestorer restorer(scheme, info, -1);
  EXPECT_EQ(restorer.params_with_piece(0), kPieceElements);
  EXPECT_EQ(restorer.params_with_piece(kPieceElements), 300'000 - kPieceElements);
  EXPECT_EQ(restorer.params_with_piece(2 * kPieceElements), 0U);
  const std::vector<std::byte> codes(kPieceElements);
  std::vector<std::byte> values(kPieceElements * sizeof(float));
  EXPECT_THROW(restorer.restore(0, codes, {}, values), Error);
  store(std::vector<BlockParams>(kPieceElements), restorer);
  restorer.restore(0, codes, {}, values);
  EXPECT_THROW(restorer.restore(kPieceElements, codes, {}, values), Error);
}

TEST(TensorRestorer, WidestAndNarrowestCodes) {
  RandomStream random(2, "widths");
  for (Scheme scheme : all_schemes()) {
    for (scheme.bits = scheme.kind == SchemeKind::kSymmetric ? 2 : 1; scheme.bits <= 32;
         ++scheme.bits) {
      for (const ValueKind kind : kValueKinds) {
        expect_the_same(scheme, {"t", DType::kFloat32, {130}}, kind, &random);
      }
    }
  }
}

TEST(TensorRestorer, ConstantBlocksKeepTheSignOfZero) {
  const std::vector<std::byte> minus_zero(8, std::byte{0});
  std::vector<std::byte> bytes = minus_zero;
  bytes[3] = bytes[7] = std::byte{0x80};
  const TensorInfo info{"z", DType::kFloat32, {2}};
  const Packed packed = pack({}, info, bytes);
  EXPECT_EQ(packed.expected, bytes);
  EXPECT_EQ(restored({}, info, packed), bytes);
}

TEST(TensorRestorer, RefusesPiecesThatDoNotFit) {
  const TensorInfo info{"t", DType::kFloat32, {10}};
  const TensorRestorer restorer({}, info, -1);
  std::vector<std::byte> values(40);
  const std::vector<BlockParams> params(1);
  const std::vector<std::byte> codes(10);
  EXPECT_THROW(restorer.restore(1, codes, params, values), Error);
  EXPECT_THROW(restorer.restore(0, std::span(codes).first(9), params, values), Error);
  EXPECT_THROW(restorer.restore(0, codes, {}, values), Error);
  EXPECT_THROW(restorer.restore(0, codes, params, std::span(values).first(36)), Error);
  EXPECT_THROW(TensorRestorer({}, {"i", DType::kInt32, {1}}, -1), Error);
}

}  // namespace
}  // namespace narrow
