#include <gmock/gmock.h>

#include <cmath>
#include <fstream>

#include "base/testing/expected_error.h"
#include "data/preprocess/preprocessing.h"
#include "graph/graph_builder.h"
#include "graph/testing/small_resnet.h"
#include "model/onnx/testing/onnx_of_graph.h"
#include "narrow/evaluate.h"
#include "narrow/inspect_checkpoint.h"
#include "narrow/sweep_evaluation.h"
#include "tasks/testing/noise_dataset.h"

namespace narrow {
namespace {

constexpr std::size_t kImages = 30;
constexpr int kSize = 12;

using Readers = std::vector<std::shared_ptr<const CheckpointReader>>;

// The same ResNet V1 as a checkpoint with Slim's variables and as an ONNX file.
class EvaluateOnnx : public TemporaryDirectoryTest {
 protected:
  EvaluateOnnx() {
    write_noise_dataset(directory(), kImages);
    options_.images.dataset_name = "cifar10";
    options_.images.dataset_dir = directory();
    options_.images.image_size = 0;
    options_.images.resize_side = kSize;
    options_.images.preprocessing_name = "vgg";
  }

  std::shared_ptr<const CheckpointReader> write(const std::string& name, Graph graph,
                                                const Dimension& size = kSize) {
    const Weights weights = small_weights(graph, 3);
    Dimensions& sizes = graph.values[static_cast<std::size_t>(graph.inputs[0])].dimensions;
    sizes[2] = sizes[3] = size;
    put_model(directory() / name, onnx_of_graph(graph, weights));
    return open_checkpoint(directory() / name);
  }
  static std::shared_ptr<const CheckpointReader> slim(int classes = 10) {
    return small_checkpoint(3, classes);
  }
  // The images as arrays for the input called `name`, as preprocessing leaves them; in planes.
  void write_arrays(const std::string& name, bool with_labels) {
    const Dataset dataset(directory(), find_dataset_spec("cifar10"), "test");
    const PreprocessingOptions preprocessing{.output_size = kSize, .resize_side = kSize};
    std::vector<float> pixels(preprocessed_size(preprocessing));
    const std::size_t plane = pixels.size() / 3;
    std::vector<float> planes;
    std::vector<std::int64_t> labels;
    for (std::size_t i = 0; i < kImages; ++i) {
      const LabeledImage image = dataset.read(i);
      preprocess_for_evaluation(image.image, preprocessing, pixels);
      for (std::size_t j = 0; j < pixels.size(); ++j) {
        planes.push_back(pixels[j % plane * 3 + j / plane]);
      }
      labels.push_back(image.label + 1);
    }
    const auto writer =
        create_checkpoint({CheckpointFormat::kNpz, directory() / "x.npz"}, Overwrite::kYes);
    writer->add({name, DType::kFloat32, {kImages, 3, kSize, kSize}});
    if (with_labels) writer->add({"labels", DType::kInt64, {kImages}});
    writer->write(std::as_bytes(std::span(planes)));
    if (with_labels) writer->write(std::as_bytes(std::span(labels)));
    writer->finish();
  }
  [[nodiscard]] EvaluateOptions arrays() const {
    EvaluateOptions options;
    options.images.inputs = directory() / "x.npz";
    options.images.labels_offset = 1;
    return options;
  }

  EvaluateOptions options_;
};

void expect_like(const Evaluation& found, const Evaluation& expected) {
  ASSERT_EQ(found.predictions.size(), expected.predictions.size());
  EXPECT_EQ(found.accuracy.hits, expected.accuracy.hits);
  EXPECT_EQ(found.recall_at_5.hits, expected.recall_at_5.hits);
  EXPECT_NEAR(found.mean_loss, expected.mean_loss, 1e-4);
  for (std::size_t i = 0; i < found.predictions.size(); ++i) {
    EXPECT_EQ(found.predictions[i].label, expected.predictions[i].label);
    EXPECT_EQ(found.predictions[i].argmax, expected.predictions[i].argmax);
    EXPECT_NEAR(found.predictions[i].cross_entropy, expected.predictions[i].cross_entropy, 1e-3);
  }
}

// The network with a softmax at its end.
Graph with_softmax(Graph graph) {
  Value value;
  value.name = "probabilities";
  const auto id = static_cast<ValueId>(graph.values.size());
  graph.values.push_back(value);
  graph.nodes.push_back({"softmax", op::Softmax{}, {graph.outputs[0]}, {id}});
  graph.outputs = {id};
  return graph;
}

TEST_F(EvaluateOnnx, IsWhatTheSameCheckpointGives) {
  EvaluateOptions sized = options_;
  sized.images.image_size = kSize;
  const EvaluateResult expected = evaluate_checkpoints(Readers{slim()}, sized);
  const auto fixed = write("fixed.onnx", small_network(10));
  const EvaluateResult found = evaluate_checkpoints(Readers{fixed}, options_);
  EXPECT_EQ(found.image_size, kSize);
  EXPECT_EQ(found.evaluations[0].network, "resnet_v1_small");
  expect_like(found.evaluations[0], expected.evaluations[0]);
  // Together with the checkpoint, of any size, and with probabilities instead of logits.
  const auto any = write("any.onnx", with_softmax(small_network(10)), Dimension::free("H"));
  const EvaluateResult both = evaluate_checkpoints(Readers{any, slim()}, sized);
  expect_like(both.evaluations[0], expected.evaluations[0]);
  EXPECT_EQ(both.evaluations[1].mean_loss, expected.evaluations[0].mean_loss);
  EXPECT_EQ(both.comparisons[0].same_argmax, kImages);
}

TEST_F(EvaluateOnnx, DoesNotDependOnThreads) {
  const Readers readers = {write("m.onnx", small_network(10))};
  const EvaluateResult one = evaluate_checkpoints(readers, options_, {.threads = 1});
  const EvaluateResult four = evaluate_checkpoints(readers, options_, {.threads = 4});
  EXPECT_EQ(one.evaluations[0].mean_loss, four.evaluations[0].mean_loss);
}

TEST_F(EvaluateOnnx, SaysWhatDoesNotFit) {
  const auto reader = write("m.onnx", small_network(10));
  const auto sentence = [&](const EvaluateOptions& options, const auto& network) {
    return error_message(ErrorCategory::kUsage,
                         [&] { evaluate_checkpoints(Readers{network}, options); });
  };
  EvaluateOptions options = options_;
  options.images.preprocessing_name.clear();
  EXPECT_THAT(sentence(options, reader),
              testing::HasSubstr("m.onnx does not say how its images are preprocessed"));
  EXPECT_THAT(sentence(options_, write("any.onnx", small_network(10), Dimension::free("H"))),
              testing::HasSubstr("any.onnx takes may be of any size"));
  EXPECT_THAT(sentence(options_, write("seven.onnx", small_network(7))),
              testing::HasSubstr("seven.onnx has 7 classes, the images have 10"));
  options = options_;
  options.use_moving_averages = true;
  EXPECT_THAT(sentence(options, reader), testing::HasSubstr("no moving averages"));
  options = options_;
  options.model_name = "other";
  error_message(ErrorCategory::kNotFound, [&] { evaluate_checkpoints(Readers{reader}, options); });
  options = options_;
  options.images.image_size = kSize + 1;
  error_message(ErrorCategory::kUnsupported,
                [&] { evaluate_checkpoints(Readers{reader}, options); });
}

TEST_F(EvaluateOnnx, ArraysAreExamples) {
  const auto reader = write("m.onnx", small_network(10));
  const EvaluateResult expected = evaluate_checkpoints(Readers{reader}, options_);
  const std::string input = small_network(10).values[0].name;
  write_arrays(input, true);
  const EvaluateResult found = evaluate_checkpoints(Readers{reader, slim()}, arrays());
  EXPECT_TRUE(found.has_labels);
  EXPECT_EQ(found.split_name, "inputs");
  EXPECT_EQ(found.evaluations[0].mean_loss, expected.evaluations[0].mean_loss);
  expect_like(found.evaluations[1], expected.evaluations[0]);
  ASSERT_EQ(found.outputs.size(), 1U);
  EXPECT_EQ(found.outputs[0].agreement, 1);
  EXPECT_GT(found.outputs[0].sqnr_db, 90);
  EXPECT_NEAR(found.outputs[0].cosine, 1, 1e-6);
  EXPECT_LT(found.outputs[0].mean_kl, 1e-6);
  // Without labels only the outputs are compared.
  write_arrays(input, false);
  const EvaluateResult unlabelled = evaluate_checkpoints(Readers{reader, reader}, arrays());
  EXPECT_FALSE(unlabelled.has_labels);
  EXPECT_EQ(unlabelled.evaluations[0].accuracy.images, 0U);
  EXPECT_EQ(unlabelled.evaluations[0].predictions[3].argmax,
            expected.evaluations[0].predictions[3].argmax);
  EXPECT_TRUE(std::isinf(unlabelled.outputs[0].sqnr_db));
  error_message(ErrorCategory::kUsage,
                [&] { write_evaluation_events(directory() / "events", unlabelled); });
}

TEST_F(EvaluateOnnx, ArraysHaveToFit) {
  const auto reader = write("m.onnx", small_network(10));
  const auto sentence = [&](ErrorCategory category, const EvaluateOptions& options) {
    return error_message(category, [&] { evaluate_checkpoints(Readers{reader}, options); });
  };
  write_arrays("other", true);
  EXPECT_THAT(sentence(ErrorCategory::kUsage, arrays()), testing::HasSubstr("array other"));
  write_arrays(small_network(10).values[0].name, true);
  EvaluateOptions options = arrays();
  options.images.labels_offset = 2;
  EXPECT_THAT(sentence(ErrorCategory::kUsage, options), testing::HasSubstr("the 10 classes are 2"));
  options = arrays();
  options.images.pictures = directory();
  EXPECT_THAT(sentence(ErrorCategory::kUsage, options), testing::HasSubstr("not from both"));
}

// What is selected is what the networks of a sweep are evaluated with, also in memory.
TEST_F(EvaluateOnnx, SweepsAreThoseOfTheFilesThatWouldBeWritten) {
  const auto reader = write("m.onnx", small_network(10));
  const std::vector<std::size_t> indices = trainable_indices(*reader, "");
  ASSERT_FALSE(indices.empty());
  for (const std::size_t index : indices) {
    EXPECT_EQ(reader->tensors()[index].use, TensorUse::kWeight);
  }
  const std::vector<Scheme> schemes = {{.kind = SchemeKind::kBin, .bits = 2, .granularity = {}},
                                       {.kind = SchemeKind::kBin, .bits = 8, .granularity = {}}};
  SweepEvaluationOptions sweep;
  sweep.images = options_.images;
  const SweepEvaluation found = evaluate_schemes(reader, indices, schemes, sweep);
  const EvaluateResult expected = evaluate_checkpoints(Readers{reader}, options_);
  EXPECT_EQ(found.float_network.mean_loss, expected.evaluations[0].mean_loss);
  EXPECT_EQ(found.network, "resnet_v1_small");
  EXPECT_LT(found.networks[0].sqnr_db, found.networks[1].sqnr_db);
  EXPECT_GT(found.networks[0].mean_kl, found.networks[1].mean_kl);
  EXPECT_GT(found.networks[1].cosine, 0.9);
  EXPECT_EQ(found.networks.size(), 2U);
}

TEST_F(EvaluateOnnx, GraphIsInspected) {
  const GraphTable expected = inspect_graph(*slim(), "", {kSize, {}});
  for (const Dimension& size : {Dimension(kSize), Dimension::free("H")}) {
    const auto reader = write("m.onnx", small_network(10), size);
    const GraphTable found = inspect_graph(*reader, "", {kSize, {}});
    EXPECT_EQ(found.parameters, expected.parameters);
    EXPECT_EQ(found.multiply_adds, expected.multiply_adds);
    ASSERT_EQ(found.rows.size(), expected.rows.size());
    EXPECT_EQ(found.rows.back().result, expected.rows.back().result);
  }
  error_message(ErrorCategory::kNotFound, [&] {
    inspect_graph(*write("m.onnx", small_network(10)), "other", {kSize, {}});
  });
}

}  // namespace
}  // namespace narrow
