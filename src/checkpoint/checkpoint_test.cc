#include "narrow/checkpoint.h"

#include <gtest/gtest.h>

#include "narrow/error.h"

namespace narrow {
namespace {

TEST(CheckpointFormat, HasANameEach) {
  EXPECT_EQ(to_string(CheckpointFormat::kTensorFlowV2), "tf");
  EXPECT_EQ(to_string(CheckpointFormat::kTensorFlowV1), "tf-v1");
  EXPECT_EQ(to_string(CheckpointFormat::kSafetensors), "safetensors");
  EXPECT_EQ(to_string(CheckpointFormat::kNpz), "npz");
  EXPECT_EQ(to_string(CheckpointFormat::kNpy), "npy");
}

// As many tensors as a data set saved as safetensors has.
class NamesOnly : public CheckpointReader {
 public:
  explicit NamesOnly(int count) {
    for (int i = 0; i < count; ++i) infos_.push_back({std::to_string(i), DType::kInt8, {0}});
  }
  [[nodiscard]] const CheckpointLocation& location() const override { return location_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return infos_; }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t) const override { return nullptr; }

 private:
  CheckpointLocation location_;
  std::vector<TensorInfo> infos_;
};

// Comparing names one after another would take minutes.
TEST(CheckpointReader, FindsEachOfManyTensorsByName) {
  constexpr int kCount = 300'000;
  const NamesOnly reader(kCount);
  for (int i = 0; i < kCount; ++i) {
    ASSERT_EQ(reader.find(std::to_string(i)), static_cast<std::size_t>(i));
  }
  EXPECT_EQ(reader.find("x"), std::nullopt);
  EXPECT_EQ(NamesOnly(0).find("0"), std::nullopt);
}

TEST(CreateCheckpoint, DoesNotWriteTensorFlowV1) {
  try {
    create_checkpoint({.format = CheckpointFormat::kTensorFlowV1, .path = "x"}, Overwrite::kNo);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kUnsupported);
  }
}

}  // namespace
}  // namespace narrow
