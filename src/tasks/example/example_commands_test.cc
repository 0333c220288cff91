#include "tasks/example/example_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tasks/example/example_training.h"

namespace narrow {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ExampleCommands, WordsAreQuotedWhenTheShellWouldSplitOrExpandThem) {
  EXPECT_EQ(shell_word("a/b-c_1.ckpt"), "a/b-c_1.ckpt");
  EXPECT_EQ(shell_word("two words"), "'two words'");
  EXPECT_EQ(shell_word("it's $HOME"), "'it'\\''s $HOME'");
  EXPECT_EQ(shell_word(""), "''");
}

TEST(ExampleCommands, EveryStepHasItsCommand) {
  ExampleOptions options;
  options.directory = "out dir";
  options.dataset_name = "cifar10";
  options.data_source = "http://127.0.0.1/cifar.tar.gz";
  options.model_name = "resnet_v1_101";
  options.image_size = 40;
  EXPECT_EQ(download_command(options),
            "narrow download cifar10 --dataset_dir 'out dir/data' --url "
            "http://127.0.0.1/cifar.tar.gz");
  EXPECT_EQ(quantizer_command(options, "t/model.ckpt-9", 10, 2, 4),
            "narrow quantizer 101 t/model.ckpt-9 10 2 4 --force");
  EXPECT_EQ(evaluate_command(options, {"a", "b c"}),
            "narrow eval a 'b c' --dataset_name cifar10 --dataset_dir 'out dir/data' "
            "--eval_image_size 40 --resize_side 40");
}

TEST(ExampleCommands, FineTuningDropsTheLogits) {
  ExampleOptions options;
  EXPECT_THAT(train_command(example_training(options, 60000)), Not(HasSubstr("checkpoint_path")));
  options.checkpoint_path = "resnet_v1_50.ckpt";
  EXPECT_THAT(train_command(example_training(options, 60000)),
              HasSubstr(" --checkpoint_path resnet_v1_50.ckpt --checkpoint_exclude_scopes "
                        "resnet_v1_50/logits "));
}

TEST(ExampleCommands, TheLearningRateReachesItsEndAtTheLastStep) {
  ExampleOptions options;
  options.steps = 937;
  options.batch_size = 128;
  const TrainOptions training = example_training(options, 60000);
  EXPECT_EQ(training.max_number_of_steps, 937);
  EXPECT_NEAR(training.num_epochs_per_decay * 60000 / 128, 937, 1e-9);
}

}  // namespace
}  // namespace narrow
