#include "cli/options/example_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  DownloadOptions download;
  download.name = "cifar10";
  download.directory = "out dir/data";
  download.source = "http://127.0.0.1/cifar.tar.gz";
  EXPECT_EQ(download_command(download),
            "narrow download cifar10 --dataset_dir 'out dir/data' --url "
            "http://127.0.0.1/cifar.tar.gz");
  const auto at = [](const char* path) {
    return CheckpointLocation{CheckpointFormat::kTensorFlowV2, path};
  };
  Scheme scheme;
  scheme.kind = SchemeKind::kFixedPoint;
  scheme.bits = 4;
  EXPECT_EQ(quantizer_command("resnet_v1_101", at("t/model.ckpt-9"), 10, scheme),
            "narrow quantizer 101 t/model.ckpt-9 10 2 4 --force");
  EvaluateOptions evaluation;
  evaluation.images.dataset_name = "cifar10";
  evaluation.images.dataset_dir = "out dir/data";
  evaluation.images.image_size = 40;
  evaluation.images.resize_side = 40;
  EXPECT_EQ(evaluate_command({at("a"), at("b c")}, evaluation),
            "narrow eval a 'b c' --dataset_name cifar10 --dataset_dir 'out dir/data' "
            "--eval_image_size 40 --resize_side 40");
}

TEST(ExampleCommands, FineTuningNamesCheckpointAndScopes) {
  TrainOptions training;
  training.max_number_of_steps = 9;
  EXPECT_THAT(train_command(training, 0), Not(HasSubstr("checkpoint_path")));
  EXPECT_THAT(train_command(training, 0), Not(HasSubstr("threads")));
  EXPECT_THAT(train_command(training, 2), testing::EndsWith(" --threads 2"));
  training.checkpoint_path = "resnet_v1_50.ckpt";
  training.checkpoint_exclude_scopes = {"resnet_v1_50/logits"};
  EXPECT_THAT(train_command(training, 0),
              HasSubstr(" --checkpoint_path resnet_v1_50.ckpt --checkpoint_exclude_scopes "
                        "resnet_v1_50/logits "));
}

}  // namespace
}  // namespace narrow
