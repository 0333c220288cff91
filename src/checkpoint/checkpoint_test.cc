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
