#include "model/image_classifier.h"

#include <gmock/gmock.h>

#include "base/testing/expected_error.h"
#include "graph/constants.h"
#include "graph/graph_builder.h"

namespace narrow {
namespace {

Dimension rows() { return Dimension::free("H"); }
Dimension columns() { return Dimension::free("W"); }

// Means of the channels, and the same through a softmax.
Graph two_outputs(const Dimension& examples) {
  GraphBuilder builder("net");
  const ValueId x = builder.input("x", {examples, 3, rows(), columns()});
  const ValueId mean = builder.add("mean", op::GlobalAveragePool{}, {x});
  const ValueId flat = builder.add("flat", op::Flatten{}, {mean});
  const ValueId other = builder.add("other", op::Relu{}, {x});
  return builder.finish({other, builder.add("probabilities", op::Softmax{}, {flat}), flat});
}

TEST(ImageClassifier, TakesTheFirstRowOfClassesBeforeItsSoftmax) {
  const ImageClassifier found = image_classifier(two_outputs(Dimension::free("N")), 8, 6);
  EXPECT_EQ(found.class_count, 3);
  EXPECT_FALSE(found.channels_last);
  EXPECT_FALSE(found.one_by_one);
  ASSERT_EQ(found.graph.outputs.size(), 1U);
  EXPECT_EQ(found.graph.value(found.graph.outputs[0]).name, "flat");
  EXPECT_EQ(found.graph.nodes.size(), 2U);
}

TEST(ImageClassifier, OneExampleBecomesAnyNumber) {
  EXPECT_FALSE(image_classifier(two_outputs(1), 8, 6).one_by_one);
  EXPECT_THAT(
      error_message(ErrorCategory::kUnsupported, [] { image_classifier(two_outputs(8), 8, 6); }),
      testing::HasSubstr("net takes 8 examples at once"));
}

TEST(ImageClassifier, NotWhereTheGraphIsMadeForOne) {
  GraphBuilder builder("net");
  const ValueId x = builder.input("x", {1, 3, 4, 4});
  const ValueId mean = builder.add("mean", op::GlobalAveragePool{}, {x});
  const ValueId shape = builder.constant("shape", make_constant(std::vector<std::int64_t>{1, 3}));
  const Graph graph = builder.finish({builder.add("y", op::Reshape{}, {mean, shape})});
  EXPECT_TRUE(image_classifier(graph, 4, 4).one_by_one);
}

TEST(ImageClassifier, ChannelsMayBeLast) {
  GraphBuilder builder("net");
  const ValueId x = builder.input("x", {Dimension::free("N"), rows(), columns(), 3});
  const ValueId planes = builder.add("planes", op::Transpose{{0, 3, 1, 2}}, {x});
  const ValueId mean = builder.add("mean", op::GlobalAveragePool{}, {planes});
  const Graph graph = builder.finish({builder.add("flat", op::Flatten{}, {mean})});
  const ImageClassifier found = image_classifier(graph, 8, 6);
  EXPECT_TRUE(found.channels_last);
  EXPECT_EQ(found.class_count, 3);
  EXPECT_EQ(found.graph.value(found.graph.inputs[0]).dimensions[1], Dimension(8));
}

TEST(ImageClassifier, SaysWhatTheGraphTakesAndGives) {
  GraphBuilder numbers("numbers");
  const ValueId n = numbers.input("ids", {Dimension::free("N"), 7}, DType::kInt64);
  const Graph of_numbers = numbers.finish({numbers.add("y", op::Identity{}, {n})});
  EXPECT_FALSE(takes_images(of_numbers));
  EXPECT_THAT(error_message(ErrorCategory::kUnsupported, [&] { image_input(of_numbers); }),
              testing::HasSubstr("numbers takes ids int64[N, 7], expected images"));
  GraphBuilder images("images");
  const ValueId x = images.input("x", {Dimension::free("N"), 3, 4, 4});
  const Graph to_images = images.finish({images.add("y", op::Relu{}, {x})});
  EXPECT_THAT(
      error_message(ErrorCategory::kUnsupported, [&] { image_classifier(to_images, 4, 4); }),
      testing::HasSubstr("no output of images is float32[N, classes]; there are y float32[1, 3"));
  error_message(ErrorCategory::kUnsupported, [&] { image_classifier(to_images, 5, 4); });
}

}  // namespace
}  // namespace narrow
