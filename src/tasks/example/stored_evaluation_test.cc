#include "tasks/example/stored_evaluation.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace narrow {
namespace {

namespace fs = std::filesystem;

class StoredEvaluationTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        fs::temp_directory_path() / (std::string("narrow-stored-") +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }

  fs::path directory_;
};

StoredEvaluation sample() {
  StoredEvaluation evaluation;
  evaluation.images = 25;
  evaluation.classes = {"a", "b"};
  evaluation.accuracy = {{20, 25, {0.6, 0.9}}, {19, 25, {0.5, 0.1 + 0.2}}};
  evaluation.recall_at_5 = {{25, 25, {0.9, 1}}, {24, 25, {0.8, 1}}};
  evaluation.comparisons = {{2, 1, 22, 0.7, -0.04, {-0.1, 1.0 / 3}}};
  return evaluation;
}

TEST_F(StoredEvaluationTest, ComesBackToTheBit) {
  const fs::path file = directory_ / "evaluation.json";
  store_evaluation(file, "f", sample());
  store_evaluation(file, "g", sample());
  EXPECT_FALSE(load_evaluation(file, "f"));
  const auto loaded = load_evaluation(file, "g");
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->images, 25U);
  EXPECT_EQ(loaded->classes, sample().classes);
  EXPECT_EQ(loaded->accuracy.at(1).interval.high, 0.1 + 0.2);
  EXPECT_EQ(loaded->recall_at_5.at(1).hits, 24U);
  EXPECT_EQ(loaded->comparisons.at(0).difference_interval.high, 1.0 / 3);
}

TEST_F(StoredEvaluationTest, WhatIsDamagedCountsAsAbsent) {
  const fs::path file = directory_ / "evaluation.json";
  EXPECT_FALSE(load_evaluation(file, "f"));
  store_evaluation(file, "f", sample());
  std::string text;
  std::getline(std::ifstream(file), text, '\0');
  for (std::size_t size = 0; size + 2 < text.size(); ++size) {
    std::ofstream(file, std::ios::trunc) << text.substr(0, size);
    EXPECT_FALSE(load_evaluation(file, "f")) << size;
  }
}

TEST_F(StoredEvaluationTest, AnotherCheckpointIsAnotherFingerprint) {
  std::ofstream(directory_ / "a.index") << "one";
  std::ofstream(directory_ / "r") << "records";
  const std::vector<CheckpointLocation> checkpoints = {
      {CheckpointFormat::kTensorFlowV2, directory_ / "a"}};
  const std::string before = evaluation_fingerprint({}, checkpoints, directory_ / "r");
  EXPECT_EQ(evaluation_fingerprint({}, checkpoints, directory_ / "r"), before);
  std::ofstream(directory_ / "a.index", std::ios::trunc) << "two";
  EXPECT_NE(evaluation_fingerprint({}, checkpoints, directory_ / "r"), before);
}

}  // namespace
}  // namespace narrow
