#include "report/evaluation_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace narrow {
namespace {

EvaluateResult example() {
  EvaluateResult result;
  result.dataset_name = "cifar10";
  result.split_name = "test";
  result.classes = {"cat", "dog"};
  result.records_in_file = 2;
  result.images = 3;
  result.preprocessing = "vgg";
  result.image_size = 32;
  result.resize_side = 40;
  result.seconds = 2;
  for (const char* name : {"a,b", "c"}) {
    Evaluation& evaluation = result.evaluations.emplace_back();
    evaluation.checkpoint.path = name;
    evaluation.network = "resnet_v1_50";
    evaluation.accuracy = {2, 3, {0.2, 0.9}};
    evaluation.recall_at_5 = {3, 3, {0.4, 1}};
    evaluation.mean_loss = 0.5;
    Prediction prediction;
    prediction.record = 4;
    prediction.label = 1;
    prediction.argmax = 0;
    prediction.label_probability = 0.1F;
    prediction.ranked = 2;
    prediction.classes = {0, 1};
    prediction.probabilities = {0.9F, 0.1F};
    evaluation.predictions = {prediction};
  }
  result.evaluations[1].global_step = 12;
  result.comparisons.push_back({1, 2, 0, 0.25, 0.5, {-0.1, 0.6}});
  return result;
}

// As TensorFlow's logging prints float32 numbers.
TEST(EvaluationReport, SlimNumbers) {
  EXPECT_EQ(format_slim_number(0.9123F), "0.9123");
  EXPECT_EQ(format_slim_number(2.0F / 3.0F), "0.666666687");
  EXPECT_EQ(format_slim_number(1), "1");
  EXPECT_EQ(format_slim_number(0), "0");
  EXPECT_EQ(format_slim_number(1e-5F), "1e-05");
}

TEST(EvaluationReport, TextHasSlimsLinesAndTheComparison) {
  const std::string text = evaluation_text(example());
  for (const char* part :
       {"cifar10 test: 3 of 2 images, 2 classes, vgg preprocessing to 32 x 32 of side 40\n",
        "the last 1 are images from the start of the file, counted again\n",
        "a,b: resnet_v1_50, no global_step\n", "c: resnet_v1_50, step 12\n",
        "accuracy  0.6667  (2 of 3, 95 % Wilson interval 0.2000 to 0.9000)\n",
        "eval/Accuracy[0.666666687]\neval/Recall_5[1]\n",
        "against the first: 1 right only there, 2 right only here, same class for 0 of 3\n",
        "accuracy +0.5000  (95 % interval -0.1000 to +0.6000), McNemar's exact p 0.25\n",
        "1.5 images/s through all 2 networks"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\nin\n" << text;
  }
  EXPECT_NE(confusion_text(example()).find("1 dog  1  0\n"), std::string::npos)
      << confusion_text(example());
}

TEST(EvaluationReport, JsonHasTheDocumentedFields) {
  const auto json = evaluation_json(example(), true);
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["images"], 3);
  EXPECT_EQ(json["dataset"]["records"], 2);
  EXPECT_EQ(json["checkpoints"][0]["global_step"], nullptr);
  EXPECT_EQ(json["checkpoints"][1]["global_step"], 12);
  EXPECT_EQ(json["checkpoints"][0]["accuracy"]["hits"], 2);
  EXPECT_EQ(json["checkpoints"][0]["confusion"][1][0], 1);
  EXPECT_EQ(json["comparisons"][0]["mcnemar_exact_p"], 0.25);
  EXPECT_FALSE(evaluation_json(example(), false)["checkpoints"][0].contains("confusion"));
}

TEST(EvaluationReport, CsvHasALineForEachCheckpointAndImage) {
  EXPECT_EQ(predictions_csv(example()),
            "checkpoint,record,label,label_probability,class_1,class_2,class_3,class_4,class_5,"
            "probability_1,probability_2,probability_3,probability_4,probability_5\n"
            "\"a,b\",4,1,0.1,0,1,,,,0.9,0.1,,,\n"
            "c,4,1,0.1,0,1,,,,0.9,0.1,,,\n");
}

}  // namespace
}  // namespace narrow
