#include "tasks/evaluation/quantized_part.h"

#include <gtest/gtest.h>

#include "narrow/quantize_checkpoint.h"
#include "tasks/testing/noise_dataset.h"

namespace narrow {
namespace {

const std::string kAverage = "/ExponentialMovingAverage";

// A network beside its averages, which have values of their own.
MemoryReader with_averages() {
  const Graph network = small_network(10);
  std::vector<MemoryTensor> tensors = small_tensors(network, 1);
  for (MemoryTensor& tensor : small_tensors(network, 2)) {
    if (tensor.info.name == "global_step") continue;
    tensor.info.name += kAverage;
    tensors.push_back(std::move(tensor));
  }
  return MemoryReader(std::move(tensors));
}

MemoryReader quantized(const CheckpointReader& reader, int bits, bool averages) {
  Scheme scheme;
  scheme.bits = bits;
  Selection selection;
  selection.moving_averages = averages;
  MemoryWriter writer;
  quantize_checkpoint(reader, make_plan(reader, scheme, selection), {}, writer);
  return MemoryReader(std::move(writer.tensors));
}

TEST(QuantizedPart, ValuesThatRepeatTell) {
  const MemoryReader original = with_averages();
  EXPECT_FALSE(is_other_part_quantized(original, original, true));
  EXPECT_FALSE(is_other_part_quantized(original, original, false));
  for (const bool averages : {false, true}) {
    const MemoryReader result = quantized(original, 4, averages);
    EXPECT_EQ(is_other_part_quantized(result, result, true), !averages);
    EXPECT_EQ(is_other_part_quantized(result, result, false), averages);
  }
}

// With many bits next to no value repeats, but those that were copied are the same as before.
TEST(QuantizedPart, AReferenceTells) {
  const MemoryReader original = with_averages();
  const MemoryReader result = quantized(original, 24, false);
  EXPECT_FALSE(is_other_part_quantized(result, result, true));
  EXPECT_TRUE(is_other_part_quantized(result, original, true));
  EXPECT_FALSE(is_other_part_quantized(result, original, false));
}

TEST(QuantizedPart, NetworksWithoutAveragesHaveNoOtherPart) {
  const MemoryReader original(small_tensors(small_network(10), 1));
  const MemoryReader result = quantized(original, 2, false);
  EXPECT_FALSE(is_other_part_quantized(result, original, false));
}

}  // namespace
}  // namespace narrow
