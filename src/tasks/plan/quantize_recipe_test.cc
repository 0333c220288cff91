#include "narrow/quantize_recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/testing/expected_error.h"
#include "checkpoint/testing/memory_checkpoint.h"

namespace narrow {
namespace {

using testing::HasSubstr;

using Metadata = std::map<std::string, std::string>;

class ReaderWithMetadata final : public MemoryReader {
 public:
  ReaderWithMetadata(std::vector<MemoryTensor> tensors, Metadata metadata)
      : MemoryReader(std::move(tensors)), metadata_(std::move(metadata)) {}
  [[nodiscard]] Metadata metadata() const override { return metadata_; }

 private:
  Metadata metadata_;
};

MemoryTensor floats(const char* name, std::vector<float> values) {
  const auto size = static_cast<std::int64_t>(values.size());
  return memory_tensor(name, DType::kFloat32, {size}, values);
}

std::vector<MemoryTensor> some_tensors() {
  return {floats("w", {0.1F, -0.7F, 0.33F, 1, 2}),
          floats("empty", {}),
          floats("v", {5, 6, 7}),
          memory_tensor("step", DType::kInt64, {1}, std::vector<std::int64_t>{12}),
          {{"names", DType::kString, {2}}, {}, {"x", "yy"}}};
}

// What quantizing makes of the tensors, with the recipe.
ReaderWithMetadata quantized(const MemoryReader& reader,
                             NonFinitePolicy policy = NonFinitePolicy::kError) {
  Scheme scheme;
  scheme.bits = 3;
  const QuantizePlan plan = make_plan(reader, scheme, {});
  MemoryWriter writer;
  quantize_checkpoint(reader, plan, {.non_finite = policy}, writer);
  return {writer.tensors, metadata_with_recipe(reader, plan, policy, "narrow quantize m --bits 3")};
}

std::vector<std::string> sentences(const std::vector<PackedDifference>& differences) {
  std::vector<std::string> texts;
  for (const PackedDifference& difference : differences) {
    texts.push_back(difference.tensor + ": " + difference.sentence);
  }
  return texts;
}

TEST(QuantizeRecipe, ResultIsWhatTheRecipeGives) {
  const MemoryReader reader(some_tensors());
  const ReaderWithMetadata result = quantized(reader);
  EXPECT_EQ(result.metadata().at("narrow.command"), "narrow quantize m --bits 3");
  EXPECT_THAT(result.metadata().at("narrow.tool"), HasSubstr("narrow "));
  EXPECT_THAT(result.metadata().at("narrow.plan"), HasSubstr("xxh3-128:"));
  EXPECT_EQ(sentences(verify_quantized(result, reader)), std::vector<std::string>{});
}

TEST(QuantizeRecipe, KeptTensorsAreKeptAgain) {
  auto tensors = some_tensors();
  tensors.push_back(floats("bad", {1, std::numeric_limits<float>::infinity()}));
  const MemoryReader reader(tensors);
  const ReaderWithMetadata result = quantized(reader, NonFinitePolicy::kKeep);
  EXPECT_TRUE(verify_quantized(result, reader).empty());
}

TEST(QuantizeRecipe, EveryChangeIsFound) {
  const MemoryReader reader(some_tensors());
  const ReaderWithMetadata result = quantized(reader);
  std::vector<MemoryTensor> changed;
  for (std::size_t i = 0; i < result.tensors().size(); ++i) {
    const TensorInfo& info = result.tensors()[i];
    MemoryTensor& tensor = changed.emplace_back(MemoryTensor{info, {}, {}});
    if (info.dtype == DType::kString) {
      tensor.strings = {"x", "other"};
      continue;
    }
    tensor.bytes.resize(info.byte_size());
    result.read(i, tensor.bytes);
  }
  changed[0].bytes[2 * sizeof(float) + 3] ^= std::byte{0x80};
  changed[2].info.shape = {3, 1};
  changed[3].bytes[0] ^= std::byte{1};
  changed.push_back(floats("more", {1}));
  changed.erase(changed.begin() + 1);
  const auto found =
      sentences(verify_quantized(ReaderWithMetadata(changed, result.metadata()), reader));
  ASSERT_EQ(found.size(), 6u);
  EXPECT_THAT(found[0], HasSubstr("w: value 2 is -"));
  EXPECT_EQ(found[1], "empty: it is missing");
  EXPECT_EQ(found[2], "v: it is float32[3, 1], but the checkpoint gives float32[3]");
  EXPECT_EQ(found[3], "step: byte 0 of its values is not the checkpoint's");
  EXPECT_EQ(found[4], "names: its texts are not those of the checkpoint");
  EXPECT_EQ(found[5], "more: the checkpoint does not have it");
}

TEST(QuantizeRecipe, AnotherOriginalIsSaidFirst) {
  auto tensors = some_tensors();
  const ReaderWithMetadata result = quantized(MemoryReader(tensors));
  tensors[3].bytes[0] ^= std::byte{1};
  const auto found = sentences(verify_quantized(result, MemoryReader(tensors)));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0], ": the checkpoint is not the one that the recipe was used on");
}

TEST(QuantizeRecipe, NoRecipeAndBrokenOnesAreRefused) {
  const MemoryReader reader(some_tensors());
  EXPECT_THAT(error_message(ErrorCategory::kUnsupported, [&] { verify_quantized(reader, reader); }),
              HasSubstr("does not say how it was made"));
  for (const char* plan : {"", "{", "[]", R"({"kind": "narrow plan"})"}) {
    const ReaderWithMetadata result(some_tensors(), {{"narrow.plan", plan}});
    EXPECT_THROW(verify_quantized(result, reader), Error) << plan;
  }
}

}  // namespace
}  // namespace narrow
