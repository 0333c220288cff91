#include "report/training_report.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace narrow {
namespace {

TrainStep some_step() {
  TrainStep step;
  step.global_step = 10;
  step.loss = 2.19321;
  step.cross_entropy = 2.1;
  step.accuracy = 0.125;
  step.learning_rate = 0.01F;
  step.seconds_per_step = 0.0049;
  step.images_per_second = 6530.61;
  return step;
}

TEST(TrainingReport, ALineBeginsLikeSlims) {
  TrainStep step = some_step();
  EXPECT_EQ(train_step_text(step),
            "global step 10: loss = 2.1932 (0.005 sec/step)  accuracy 0.1250  learning rate 0.01  "
            "6530.6 images/s\n");
  const auto end_at = [&](double seconds) {
    step.seconds_left = seconds;
    const std::string text = train_step_text(step);
    return text.substr(text.find("images/s") + 10);
  };
  EXPECT_EQ(end_at(45.2), "45 s left\n");
  EXPECT_EQ(end_at(65), "1 min 05 s left\n");
  EXPECT_EQ(end_at(3900), "1 h 05 min left\n");
}

TEST(TrainingReport, PlanAndResult) {
  TrainOptions options;
  options.batch_size = 100;
  options.max_number_of_steps = 300;
  options.learning_rate.warmup_steps = 20;
  TrainResult result;
  result.plan.network = "resnet_v1_50";
  result.plan.class_count = 10;
  result.plan.variables = 267;
  result.plan.elements = 23581642;
  result.plan.trained_variables = 2;
  result.plan.trained_elements = 20490;
  result.plan.records = "data/cifar10_train.tfrecord";
  result.plan.record_count = 10000;
  result.plan.first_step = 100;
  result.plan.steps_per_epoch = 100;
  result.plan.decay_steps = 200;
  EXPECT_EQ(train_plan_text(result.plan, options),
            "resnet_v1_50 with 10 classes: 267 variables, 23581642 numbers; trained: 2, 20490\n"
            "data/cifar10_train.tfrecord: 10000 images, 100 steps an epoch at a batch size of 100\n"
            "from step 100 to 300 (2.0 epochs); rmsprop with a learning rate of 0.01, times 0.94 "
            "every 200 steps, after 20 steps of warm-up\n");
  result.global_step = 300;
  result.seconds = 100;
  result.checkpoint = "train/model.ckpt-300";
  EXPECT_EQ(train_result_text(result, options),
            "200 steps in 1 min 40 s, 200.0 images/s\nwritten: train/model.ckpt-300\n");
  result.was_finished = true;
  EXPECT_EQ(train_result_text(result, options),
            "nothing to do: train/model.ckpt-300 is at step 300 already\n");
}

TEST(TrainingReport, JsonHasTheLogAndNoNan) {
  TrainResult result;
  result.log.push_back(some_step());
  result.log.back().loss = std::numeric_limits<double>::quiet_NaN();
  const auto json = train_result_json(result, {});
  EXPECT_EQ(json.at("schema"), 1);
  EXPECT_EQ(json.at("log").at(0).at("global_step"), 10);
  EXPECT_TRUE(json.at("log").at(0).at("loss").is_null());
}

TEST(TrainingReport, TheLogIsATable) {
  TrainResult result;
  result.plan.network = "resnet_v1_50";
  result.log = {some_step(), some_step()};
  const Report report = train_report(result, {});
  EXPECT_EQ(report.title, "Training of resnet_v1_50");
  ASSERT_EQ(report.tables.size(), 1U);
  EXPECT_EQ(report.tables[0].rows.size(), 2U);
  EXPECT_EQ(report_csv(report).substr(0, 54),
            "global_step,loss,cross_entropy,accuracy,learning_rate,");
}

}  // namespace
}  // namespace narrow
