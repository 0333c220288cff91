// Tensors of more than one piece, and of more blocks than constants are kept for.
#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "base/random.h"
#include "quant/tensor_quantizer.h"
#include "quant/testing/quantizer_case.h"
#include "quant/testing/test_values.h"

namespace narrow {
namespace {

TEST(TensorQuantizer, FixedPointFormatsInManyPieces) {
  RandomStream random(10, "formats in pieces");
  Scheme scheme;
  scheme.kind = SchemeKind::kFixedPoint;
  scheme.format = {9, true, RoundMode::kHalfUp, Overflow::kWrap};
  for (const auto& [granularity, shape] :
       std::vector<std::pair<Granularity, Shape>>{{{}, {1000, 600}},
                                                  {by_group(5000), {600000}},
                                                  {by_channel(-1), {3000, 200}},
                                                  {by_channel(1), {2, 131'075, 3}}}) {
    for (const Overflow overflow : {Overflow::kWrap, Overflow::kSaturate}) {
      scheme.granularity = granularity;
      scheme.format.overflow = overflow;
      scheme.format.round_mode =
          overflow == Overflow::kWrap ? RoundMode::kHalfUp : RoundMode::kHalfEven;
      const QuantizerCase c{scheme, {"t", DType::kFloat32, shape}, -1};
      check_chosen_target(c, random_bytes(c.info, ValueKind::kNormal, &random));
      if (HasFatalFailure()) return;
    }
  }
}

TEST(TensorQuantizer, ManyPiecesByAllValues) {
  RandomStream random(6, "pieces by values");
  for (const auto& [granularity, shape] : std::vector<std::pair<Granularity, Shape>>{
           {{}, {700, 500}}, {by_channel(-1), {3000, 100}}, {by_channel(0), {2, 150001}}}) {
    for (Scheme scheme : {value_schemes().front(), value_schemes().back()}) {
      scheme.bits = 3;
      scheme.granularity = granularity;
      const QuantizerCase c{scheme, {"t", DType::kFloat32, shape}, -1};
      check_chosen_target(c, random_bytes(c.info, ValueKind::kNormal, &random));
      if (HasFatalFailure()) return;
    }
  }
}

TEST(TensorQuantizer, ManyPieces) {
  RandomStream random(3, "pieces");
  const std::vector<std::pair<Granularity, Shape>> layouts = {{{}, {1000, 600}},
                                                              {by_group(300000), {700001}},
                                                              {by_group(5000), {600000}},
                                                              {by_group(3), {600000}},
                                                              {by_channel(-1), {3000, 200}},
                                                              {by_channel(0), {2, 300001}},
                                                              {by_channel(1), {2, 3, 100000}}};
  for (const auto& [granularity, shape] : layouts) {
    Scheme scheme;
    scheme.granularity = granularity;
    const QuantizerCase c{scheme, {"t", DType::kFloat32, shape}, -1};
    check_chosen_target(c, random_bytes(c.info, ValueKind::kNormal, &random));
    if (HasFatalFailure()) return;
  }
}

TEST(TensorQuantizer, MoreBlocksThanConstantsAreKeptFor) {
  RandomStream random(9, "many blocks");
  std::vector<Scheme> schemes = all_schemes();
  schemes.push_back(value_schemes().back());
  for (Scheme scheme : schemes) {
    scheme.bits = 3;
    scheme.granularity = by_channel(1);
    const DType dtype = kFloatTypes.at(random.below(kFloatTypes.size()));
    const QuantizerCase c{scheme, {"t", dtype, {2, 131'075, 3}}, -1};
    check_chosen_target(c, random_bytes(c.info, ValueKind::kNormal, &random));
    if (HasFatalFailure()) return;
  }
}

TEST(TensorQuantizer, WholeTensorEqualsTheFunctionsOfOneBlock) {
  RandomStream random(4, "one block");
  std::vector<float> values = random_values(ValueKind::kNormal, 600001, &random);
  const Scheme scheme;
  const TensorInfo info{"t", DType::kFloat32, {600001}};
  TensorQuantizer quantizer(scheme, info, 0);
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(values));
  std::vector<float> restored(values.size());
  const ErrorSums expected = round_trip(values, scheme, fit(values, scheme), restored);
  quantizer.scan(bytes);
  quantizer.finish_scan();
  ErrorSums sums;
  for (std::uint64_t first = 0; first < values.size(); first += quantizer.piece_elements()) {
    const std::size_t length = std::min(quantizer.piece_elements(), values.size() - first);
    sums.merge(quantizer.round_trip(first, bytes.subspan(first * 4, length * 4), nullptr));
  }
  EXPECT_TRUE(same_bits(values, restored));
  EXPECT_TRUE(same_bits(sums, expected));
}

}  // namespace
}  // namespace narrow
