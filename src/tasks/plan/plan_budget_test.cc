#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <span>

#include "base/random.h"
#include "graph/tap_coverage.h"
#include "methods/moments/input_moments.h"
#include "model/checkpoint_network.h"
#include "narrow/error.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/plan.h"
#include "narrow/quantize_checkpoint.h"
#include "tasks/testing/noise_dataset.h"

namespace narrow {
namespace {

std::vector<int> widths(int from, int to) {
  std::vector<int> list;
  for (int bits = from; bits <= to; ++bits) list.push_back(bits);
  return list;
}

AllocationRequest request_of(double average_bits) {
  AllocationRequest request;
  request.widths = widths(1, 12);
  request.average_bits = average_bits;
  return request;
}

std::map<std::string, int> bits_by_name(const BitAllocation& plan) {
  std::map<std::string, int> bits;
  for (const AllocatedTensor& tensor : plan.tensors) bits[tensor.info.name] = tensor.scheme.bits;
  return bits;
}

std::string error_of(const CheckpointReader& reader, const AllocationRequest& request,
                     ErrorCategory category) {
  try {
    plan_budget(reader, request);
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), category) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

TEST(PlanBudget, TotalsAreThoseOfQuantizing) {
  const auto reader = small_checkpoint(1);
  const BitAllocation plan = plan_budget(*reader, request_of(5));
  QuantizePlan quantize(reader->tensors().size());
  for (std::size_t i = 0; i < quantize.size(); ++i) quantize[i].index = i;
  std::uint64_t bytes = 0;
  for (const AllocatedTensor& tensor : plan.tensors) {
    quantize[*reader->find(tensor.info.name)].scheme = tensor.scheme;
    bytes += tensor.bytes;
  }
  EXPECT_EQ(bytes, plan.quantized_bytes);
  EXPECT_LE(plan.bytes(), plan.budget_bytes);
  EXPECT_EQ(plan.budget_bytes, 5 * plan.elements / 8);
  NullWriter writer;
  const QuantizeResult result = quantize_checkpoint(*reader, quantize, {}, writer);
  double damage = 0;
  for (const TensorResult& tensor : result.tensors) {
    if (!tensor.quantized) continue;
    const double relative = tensor.errors.relative_l2();
    damage += relative * relative;
  }
  EXPECT_NEAR(damage, plan.damage, 1e-12);
  for (const AllocatedTensor& tensor : plan.tensors) {
    std::vector<float> values(element_count(tensor.info.shape));
    reader->read(*reader->find(tensor.info.name), std::as_writable_bytes(std::span(values)));
    const auto [least, greatest] = std::ranges::minmax(values);
    EXPECT_EQ(tensor.spread.minimum, least) << tensor.info.name;
    EXPECT_EQ(tensor.spread.maximum, greatest) << tensor.info.name;
    double squares = 0;
    for (const float value : values) squares += double{value} * value;
    const double largest = std::max(std::abs(double{least}), std::abs(double{greatest}));
    EXPECT_NEAR(tensor.spread.peak(),
                largest / std::sqrt(squares / static_cast<double>(values.size())),
                1e-9 * tensor.spread.peak())
        << tensor.info.name;
    // Vectors have one width.
    const bool has_wider = tensor.info.shape.size() > 1 && tensor.scheme.bits < 12;
    ASSERT_EQ(tensor.wider.has_value(), has_wider) << tensor.info.name;
    if (!has_wider) continue;
    EXPECT_EQ(tensor.wider->bits, tensor.scheme.bits + 1);
    EXPECT_LT(tensor.wider->damage, tensor.damage);
    EXPECT_GT(tensor.wider->bytes, tensor.bytes);
  }
  EXPECT_EQ(plan.copied, result.summary.copied);
  EXPECT_EQ(plan.input_bytes, result.summary.input_bytes);
}

TEST(PlanBudget, NeverABytePastTheBudgetAndNeverWorseThanASingleWidth) {
  const auto reader = small_checkpoint(2);
  for (const DamageKind damage : {DamageKind::kWeight, DamageKind::kOutput}) {
    AllocationRequest request = request_of(4);
    request.damage = damage;
    const BitAllocation wide = plan_budget(*reader, request);
    for (const CurvePoint& point : wide.curve) {
      AllocationRequest exact = request;
      exact.average_bits.reset();
      exact.quantized_only = true;
      exact.budget_bytes = point.budget_bytes;
      const BitAllocation plan = plan_budget(*reader, exact);
      EXPECT_LE(plan.bytes(), point.budget_bytes);
      EXPECT_EQ(plan.unit_bytes, 1u);
      EXPECT_EQ(plan.damage, point.damage);
      EXPECT_LE(plan.lower_bound, plan.damage);
      EXPECT_LE(plan.damage, point.single_damage.value_or(plan.damage));
    }
  }
}

TEST(PlanBudget, CopiedTensorsCountUnlessToldOtherwise) {
  const auto reader = small_checkpoint(1);
  AllocationRequest request = request_of(4);
  const BitAllocation by_bits = plan_budget(*reader, request);
  request.average_bits.reset();
  request.budget_bytes = by_bits.budget_bytes + by_bits.copied_bytes;
  const BitAllocation by_bytes = plan_budget(*reader, request);
  EXPECT_EQ(bits_by_name(by_bytes), bits_by_name(by_bits));
  EXPECT_EQ(by_bytes.bytes(), by_bits.quantized_bytes + by_bits.copied_bytes);
  request.budget_bytes = by_bits.budget_bytes;
  request.quantized_only = true;
  EXPECT_EQ(bits_by_name(plan_budget(*reader, request)), bits_by_name(by_bits));
}

TEST(PlanBudget, RulesHold) {
  const auto reader = small_checkpoint(1);
  AllocationRequest request = request_of(6);
  request.fixed = {{"*/logits/weights", 8}, {"*/logits/*", 14}};
  request.minimum = {{"*/block1/*/conv1/weights", 7}};
  request.maximum = {{"*/block2/*/conv3/weights", 3}};
  request.same = {"*/block3/*/weights", "*/block3/unit_1/bottleneck_v1/conv1/weights"};
  const auto bits = bits_by_name(plan_budget(*reader, request));
  EXPECT_EQ(bits.at("resnet_v1_small/logits/weights"), 8);
  EXPECT_EQ(bits.at("resnet_v1_small/logits/biases"), 14);
  std::set<int> block3;
  for (const auto& [name, width] : bits) {
    if (name.ends_with("gamma") || name.ends_with("beta")) {
      EXPECT_EQ(width, 16) << name;
    }
    if (name.find("block1") != std::string::npos && name.ends_with("conv1/weights")) {
      EXPECT_GE(width, 7) << name;
    }
    if (name.find("block2") != std::string::npos && name.ends_with("conv3/weights")) {
      EXPECT_LE(width, 3) << name;
    }
    if (name.find("block3") != std::string::npos && name.ends_with("weights")) block3.insert(width);
  }
  EXPECT_EQ(block3.size(), 1u);
  request.vector_bits.reset();
  const auto free = bits_by_name(plan_budget(*reader, request));
  EXPECT_LE(free.at("resnet_v1_small/conv1/BatchNorm/gamma"), 12);
}

TEST(PlanBudget, RulesThatCannotHoldAreErrors) {
  const auto reader = small_checkpoint(1);
  AllocationRequest request = request_of(6);
  request.fixed = {{"*/moving_mean", 8}};
  EXPECT_NE(
      error_of(*reader, request, ErrorCategory::kNotFound).find("fixed width '*/moving_mean'"),
      std::string::npos);
  request.fixed = {{"*", 33}};
  error_of(*reader, request, ErrorCategory::kUsage);
  request.fixed.clear();
  request.same = {"nothing"};
  error_of(*reader, request, ErrorCategory::kNotFound);
  request.same.clear();
  request.minimum = {{"*/weights", 9}};
  request.maximum = {{"*/conv1/weights", 8}};
  EXPECT_NE(error_of(*reader, request, ErrorCategory::kUsage).find("conv1/weights"),
            std::string::npos);
  request.maximum.clear();
  request.fixed = {{"*/logits/weights", 4}};
  request.same = {"*/weights"};
  EXPECT_NE(error_of(*reader, request, ErrorCategory::kUsage).find("the same width"),
            std::string::npos);
}

TEST(PlanBudget, ABudgetThatCannotHoldIsAnError) {
  const auto reader = small_checkpoint(1);
  AllocationRequest request = request_of(1);
  error_of(*reader, request, ErrorCategory::kUsage);
  for (const double bits : {0.0, -1.0, 1e30, std::nan("")}) {
    request.average_bits = bits;
    error_of(*reader, request, ErrorCategory::kUsage);
  }
  request.average_bits.reset();
  error_of(*reader, request, ErrorCategory::kUsage);
  request.budget_bytes = 1000;
  EXPECT_NE(error_of(*reader, request, ErrorCategory::kUsage).find("copied take"),
            std::string::npos);
  request.average_bits = 4;
  error_of(*reader, request, ErrorCategory::kUsage);
  request.budget_bytes = 1 << 30;
  request.average_bits.reset();
  EXPECT_EQ(plan_budget(*reader, request).tensors.front().scheme.bits, 12);
}

TEST(PlanBudget, ThreadsAndOrderOfTheFileDoNotMatter) {
  auto tensors = small_tensors(small_network(10), 1);
  const MemoryReader reader(tensors);
  std::ranges::reverse(tensors);
  const MemoryReader reversed(tensors);
  for (const DamageKind damage : {DamageKind::kWeight, DamageKind::kOutput}) {
    AllocationRequest request = request_of(3.7);
    request.damage = damage;
    const BitAllocation one = plan_budget(reader, request, {.threads = 1});
    const RunOptions four{.threads = 4};
    EXPECT_EQ(plan_file_text(plan_budget(reader, request, four)), plan_file_text(one));
    EXPECT_EQ(bits_by_name(plan_budget(reversed, request, four)), bits_by_name(one));
  }
}

// The noise of one layer, from the definition.
TEST(PlanBudget, OutputDamageIsTheNoiseBehindTheBatchNorm) {
  const Graph graph = small_network(10);
  const std::vector<Layer> all = layers(graph);
  const MemoryReader reader(small_tensors(graph, 1));
  AllocationRequest request = request_of(4);
  request.widths = {4};
  request.damage = DamageKind::kOutput;
  const Layer& layer =
      *std::ranges::find(all, "resnet_v1_small/block1/unit_1/bottleneck_v1/conv2", &Layer::name);
  request.selection.include = {layer.weights, layer.norm->beta};
  request.average_bits = 30;
  request.images.image_size = 11;  // 3 pixels there, and 2 after the stride: no share is alike
  const std::vector<double> taps = tap_coverage(graph, all, 11).at(layer.name).shares();
  ASSERT_LT(*std::ranges::min_element(taps), 0.5);
  const BitAllocation plan = plan_budget(reader, request);
  const CheckpointVariables variables(reader, false);
  const auto depth = static_cast<std::size_t>(layer.out_channels);
  std::vector<float> gamma(depth);
  std::vector<float> variance(depth);
  variables.read(layer.norm->gamma, gamma);
  variables.read(layer.norm->moving_variance, variance);
  const auto moments = input_moments(graph, all, variables).at(layer.name);
  std::vector<float> values(element_count(layer.weights_shape));
  variables.read(layer.weights, values);
  Scheme scheme = request.scheme;
  scheme.bits = 4;
  std::vector<float> restored(values.size());
  round_trip(values, scheme, fit(values, scheme), restored);
  double expected = 0;
  for (std::size_t e = 0; e < values.size(); ++e) {
    const std::size_t c = e % depth;
    const double d = static_cast<double>(restored[e]) - values[e];
    const auto in_depth = static_cast<std::size_t>(layer.in_channels);
    const double input = taps[e / depth / in_depth] * moments[e / depth % in_depth].second;
    expected += gamma[c] * gamma[c] / (variance[c] + layer.norm->epsilon) * d * d * input;
  }
  for (const AllocatedTensor& tensor : plan.tensors) {
    if (tensor.info.name == layer.weights) {
      EXPECT_NEAR(tensor.damage, expected, 1e-6 * expected);
    } else {
      EXPECT_NEAR(std::sqrt(tensor.damage), tensor.relative_l2 * 0.3 * std::sqrt(depth), 0.1);
    }
  }
}

TEST(PlanBudget, OutputDamageNeedsTheNetwork) {
  const MemoryReader plain(
      {memory_tensor("a", DType::kFloat32, {2, 2}, std::vector<float>{1, 2, 3, 4})});
  AllocationRequest request = request_of(30);
  request.damage = DamageKind::kOutput;
  error_of(plain, request, ErrorCategory::kNotFound);
  auto tensors = small_tensors(small_network(10), 1);
  tensors.push_back(
      memory_tensor("other", DType::kFloat32, {2, 2}, std::vector<float>{1, 2, 3, 4}));
  const MemoryReader more(std::move(tensors));
  EXPECT_NE(error_of(more, request, ErrorCategory::kUsage).find("other is no trainable"),
            std::string::npos);
}

TEST(PlanBudget, CodebooksUpToTheirWidestAndBinsAbove) {
  const auto reader = small_checkpoint(1);
  AllocationRequest request = request_of(7);
  request.scheme.kind = SchemeKind::kCodebook;
  const BitAllocation plan = plan_budget(*reader, request);
  std::set<SchemeKind> kinds;
  for (const AllocatedTensor& tensor : plan.tensors) {
    kinds.insert(tensor.scheme.kind);
    EXPECT_EQ(tensor.scheme.kind == SchemeKind::kCodebook, tensor.scheme.bits <= kMaxCodebookBits);
    EXPECT_NO_THROW(validate(tensor.scheme));
  }
  EXPECT_EQ(kinds.size(), 2U);
  EXPECT_LE(plan.bytes(), plan.budget_bytes);
  request.scheme.range = parse_range("mse");
  error_of(*reader, request, ErrorCategory::kUsage);
}

TEST(PlanBudget, NonFiniteValuesAreNamed) {
  const MemoryReader reader(
      {memory_tensor("bad", DType::kFloat32, {2, 1},
                     std::vector<float>{1, std::numeric_limits<float>::infinity()})});
  EXPECT_NE(error_of(reader, request_of(500), ErrorCategory::kNumeric).find("bad"),
            std::string::npos);
}

TEST(PlanBudget, TheDigestIsThatOfTheTensorsNotOfTheFile) {
  const auto tensors = small_tensors(small_network(10), 1);
  const MemoryReader tensorflow(tensors);
  const MemoryReader safetensors(tensors, CheckpointFormat::kSafetensors);
  EXPECT_EQ(checkpoint_digest(tensorflow), checkpoint_digest(safetensors));
  auto changed = tensors;
  changed[3].bytes[0] ^= std::byte{1};
  EXPECT_NE(checkpoint_digest(MemoryReader(changed)), checkpoint_digest(tensorflow));
  auto renamed = tensors;
  renamed[3].info.name += "x";
  EXPECT_NE(checkpoint_digest(MemoryReader(renamed)), checkpoint_digest(tensorflow));
}

}  // namespace
}  // namespace narrow
