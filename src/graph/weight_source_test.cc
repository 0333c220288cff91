#include "graph/weight_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "graph/graph_builder.h"
#include "graph/slim/resnet_v1.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// What check_weights() asks a source for.
class InfoSource : public WeightSource {
 public:
  explicit InfoSource(const Graph& graph) {
    for (const Weight& weight : graph.weights) {
      infos_[weight.name] = {weight.name, DType::kFloat32, weight.shape};
    }
  }
  TensorInfo& info(const std::string& name) { return infos_[name]; }
  void remove(const std::string& name) { infos_.erase(name); }
  void clear() { infos_.clear(); }

  [[nodiscard]] std::optional<TensorInfo> find(std::string_view name) const override {
    const auto found = infos_.find(name);
    if (found == infos_.end()) return std::nullopt;
    return found->second;
  }
  void read(std::string_view name, std::span<float> /*values*/) const override {
    ADD_FAILURE() << name << " is read";
  }

 private:
  std::map<std::string, TensorInfo, std::less<>> infos_;
};

Graph tiny(int classes) { return make_resnet_v1({"tiny", 8, {{4, 2, 2}, {2, 1, 1}}, classes}); }

void expect_refused(const Graph& graph, const WeightSource& source, ErrorCategory category,
                    const testing::Matcher<const char*>& message) {
  EXPECT_THAT([&] { check_weights(graph, source); },
              testing::Throws<Error>(
                  testing::AllOf(testing::Property("category", &Error::category, category),
                                 testing::Property("what", &Error::what, message))));
}

TEST(CheckWeights, AcceptsWhatFits) {
  const Graph graph = tiny(3);
  InfoSource source(graph);
  EXPECT_NO_THROW(check_weights(graph, source));
  source.info("global_step") = {"global_step", DType::kInt64, {}};
  EXPECT_NO_THROW(check_weights(graph, source));
  for (const DType type : {DType::kFloat16, DType::kBFloat16, DType::kFloat64}) {
    source.info("tiny/logits/weights").dtype = type;
    EXPECT_NO_THROW(check_weights(graph, source)) << to_string(type);
  }
}

TEST(CheckWeights, NamesWhatIsMissing) {
  const Graph graph = tiny(3);
  InfoSource source(graph);
  source.remove("tiny/conv1/weights");
  expect_refused(
      graph, source, ErrorCategory::kNotFound,
      testing::StrEq("The variables do not fit the network tiny: 1 missing: tiny/conv1/weights."));
  source.remove("tiny/logits/biases");
  expect_refused(graph, source, ErrorCategory::kNotFound,
                 testing::StrEq("The variables do not fit the network tiny: 2 missing: "
                                "tiny/conv1/weights; tiny/logits/biases."));
}

TEST(CheckWeights, TellsShapesAndTypesThatDoNotFit) {
  const Graph graph = tiny(3);
  InfoSource source(graph);
  source.info("tiny/conv1/weights").shape = {7, 7, 8, 3};
  source.info("tiny/conv1/BatchNorm/beta").dtype = DType::kInt32;
  expect_refused(
      graph, source, ErrorCategory::kUsage,
      testing::StrEq("The variables do not fit the network tiny: 2 of another type or shape: "
                     "tiny/conv1/weights has shape [7, 7, 8, 3], expected [7, 7, 3, 8]; "
                     "tiny/conv1/BatchNorm/beta is of type int32, expected float32."));
}

TEST(CheckWeights, TellsBoth) {
  const Graph graph = tiny(3);
  InfoSource source(graph);
  source.remove("tiny/logits/weights");
  source.info("tiny/conv1/BatchNorm/gamma").shape = {9};
  expect_refused(graph, source, ErrorCategory::kNotFound,
                 testing::StrEq("The variables do not fit the network tiny: 1 missing: "
                                "tiny/logits/weights; 1 of another type or shape: "
                                "tiny/conv1/BatchNorm/gamma has shape [9], expected [8]."));
}

TEST(CheckWeights, ExplainsAnotherNumberOfClasses) {
  expect_refused(
      tiny(3), InfoSource(tiny(5)), ErrorCategory::kUsage,
      testing::StrEq("The variables do not fit the network tiny: they are for 5 classes, expected "
                     "3 (choose the number of classes the network was trained for, or leave its "
                     "logits out); 2 of another type or shape: tiny/logits/weights has shape "
                     "[1, 1, 8, 5], expected [1, 1, 8, 3]; tiny/logits/biases has shape [5], "
                     "expected [3]."));
}

TEST(CheckWeights, OnlyTheOutputLayerHasClasses) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {1, 3, 8, 8});
  const ValueId y = builder.conv_with_bias("a", x, 3, 4, square_window(1, 1));
  const Graph graph = builder.finish({builder.conv("b", y, 4, 5, square_window(1, 1))});
  InfoSource source(graph);
  source.info("a/biases").shape = {6};
  expect_refused(graph, source, ErrorCategory::kUsage, testing::Not(testing::HasSubstr("classes")));
}

TEST(CheckWeights, EndsALongList) {
  const Graph graph = tiny(3);
  ASSERT_EQ(graph.weights.size(), 62u);
  InfoSource source(graph);
  source.clear();
  expect_refused(graph, source, ErrorCategory::kNotFound,
                 testing::AllOf(testing::HasSubstr("62 missing: tiny/conv1/weights; "),
                                testing::EndsWith("; and 42 more.")));
}

}  // namespace
}  // namespace narrow
