#include "tasks/example/example_training.h"

#include <gtest/gtest.h>

namespace narrow {
namespace {

TEST(ExampleTraining, FineTuningDropsTheLogits) {
  ExampleOptions options;
  EXPECT_FALSE(example_training(options, 60000).checkpoint_path);
  options.checkpoint_path = "resnet_v1_50.ckpt";
  const TrainOptions training = example_training(options, 60000);
  EXPECT_EQ(training.checkpoint_path, "resnet_v1_50.ckpt");
  EXPECT_EQ(training.checkpoint_exclude_scopes, (std::vector<std::string>{"resnet_v1_50/logits"}));
}

TEST(ExampleTraining, TheLearningRateReachesItsEndAtTheLastStep) {
  ExampleOptions options;
  options.steps = 937;
  options.batch_size = 128;
  const TrainOptions training = example_training(options, 60000);
  EXPECT_EQ(training.max_number_of_steps, 937);
  EXPECT_NEAR(training.num_epochs_per_decay * 60000 / 128, 937, 1e-9);
}

}  // namespace
}  // namespace narrow
