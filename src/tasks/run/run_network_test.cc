#include "narrow/run_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/expected_error.h"
#include "narrow/ready_network.h"
#include "tasks/testing/small_onnx_network.h"

namespace narrow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class NoteTaker : public Observer {
 public:
  void on_note(const std::string& sentence) override { notes.push_back(sentence); }
  std::vector<std::string> notes;
};

class RunNetworkTest : public SmallOnnxTest {
 protected:
  NetworkRun run(const SmallOnnx& network, const std::vector<NamedArray>& inputs,
                 const RunNetworkOptions& options = {}) {
    const auto reader = open(network);
    return run_network(*reader, inputs, options, {2, &notes_});
  }
  std::string refusal(const SmallOnnx& network, const std::vector<NamedArray>& inputs,
                      const RunNetworkOptions& options = {}) {
    try {
      run(network, inputs, options);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  NoteTaker notes_;
};

TEST_F(RunNetworkTest, OutputsHaveTheirNamesTypesAndShapes) {
  const NetworkRun result = run({}, {floats("x", {2, 2}, {1, 2, -3, 4})});
  ASSERT_EQ(result.outputs.size(), 1u);
  EXPECT_EQ(result.outputs[0], floats("y", {2, 2}, {7, 10, 9, 10}));
  EXPECT_EQ(result.batching, Batching::kIndependent);
  EXPECT_EQ(result.examples, 2u);
  EXPECT_EQ(result.seconds.size(), 1u);
  EXPECT_GT(result.peak_memory_bytes, 0u);
  EXPECT_TRUE(notes_.notes.empty());
}

TEST_F(RunNetworkTest, GroupsOfExamplesChangeNothing) {
  std::vector<float> many;
  for (int i = 0; i < 94; ++i) many.push_back(static_cast<float>(i % 7) - 3);
  const NetworkRun all = run({}, {floats("x", {47, 2}, many)});
  for (std::size_t i = 0; i < 47; ++i) {
    const NetworkRun one = run({}, {floats("x", {1, 2}, {many[2 * i], many[2 * i + 1]})});
    EXPECT_TRUE(std::equal(one.outputs[0].values.begin(), one.outputs[0].values.end(),
                           all.outputs[0].values.begin() + static_cast<std::ptrdiff_t>(8 * i)));
  }
}

TEST_F(RunNetworkTest, AFirstDimensionOfOneIsMadeFree) {
  const NetworkRun result = run({.batch = 1}, {floats("x", {2, 2}, {1, 2, -3, 4})});
  EXPECT_EQ(result.outputs[0], floats("y", {2, 2}, {7, 10, 9, 10}));
  EXPECT_THAT(notes_.notes, ElementsAre(HasSubstr("is made free")));
}

TEST_F(RunNetworkTest, ExamplesThatCouldMeetAreFedOneByOneOrGoThroughWhole) {
  const NetworkRun one_by_one =
      run({.batch = 1, .last = "Softmax", .axis = 0}, {floats("x", {2, 2}, {1, 2, -3, 4})});
  EXPECT_EQ(one_by_one.batching, Batching::kOneByOne);
  EXPECT_EQ(one_by_one.outputs[0], floats("y", {2, 2}, {1, 1, 1, 1}));
  const NetworkRun whole = run({.last = "Softmax", .axis = 0}, {floats("x", {2, 2}, {1, 1, 1, 1})});
  EXPECT_EQ(whole.batching, Batching::kWhole);
  EXPECT_EQ(whole.outputs[0], floats("y", {2, 2}, {0.5F, 0.5F, 0.5F, 0.5F}));
}

TEST_F(RunNetworkTest, ValuesInsideComeInTheOrderOfExecution) {
  const NetworkRun result =
      run({}, {floats("x", {1, 2}, {1, 2})}, {.nodes = {"h", "*"}, .repeat = 3, .profile = true});
  ASSERT_EQ(result.nodes.size(), 1u);
  EXPECT_EQ(result.nodes[0], floats("h", {1, 2}, {7, 10}));
  EXPECT_EQ(result.seconds.size(), 3u);
  ASSERT_EQ(result.node_times.size(), 2u);
  EXPECT_EQ(result.node_times[0].op, "MatMul");
  EXPECT_NEAR(result.operator_times[0].share + result.operator_times[1].share, 1, 1e-9);
}

TEST_F(RunNetworkTest, HalvesAreComputedInFloat32) {
  const NamedArray x = {{"x", DType::kFloat16, {1, 2}}, bytes_of<std::uint16_t>({0x3c00, 0x4000})};
  const NetworkRun result = run({.half = true}, {x});
  EXPECT_EQ(result.outputs[0].info.dtype, DType::kFloat16);
  EXPECT_EQ(result.outputs[0].values, bytes_of<std::uint16_t>({0x4700, 0x4900}));
  EXPECT_THAT(notes_.notes, ElementsAre(HasSubstr("computed in float32")));
  EXPECT_EQ(run({.half = true}, {floats("x", {1, 2}, {1, 2})}).outputs, result.outputs);
}

TEST_F(RunNetworkTest, WrongInputsAreRefusedInASentence) {
  EXPECT_EQ(refusal({}, {}), "there is no array for the input x of graph");
  EXPECT_EQ(refusal({}, {floats("x", {1, 2}, {1, 2}), floats("z", {1}, {1})}),
            "there is an array z, but the inputs of graph are x");
  EXPECT_EQ(refusal({}, {floats("x", {1, 3}, {1, 2, 3})}), "the input x is [N, 2], found [1, 3]");
  EXPECT_EQ(refusal({.batch = 3}, {floats("x", {1, 2}, {1, 2})}),
            "the input x is [3, 2], found [1, 2]");
  EXPECT_EQ(refusal({}, {{{"x", DType::kInt8, {1, 2}}, std::vector<std::byte>(2)}}),
            "the input x is float32[N, 2], found int8[1, 2]");
  EXPECT_EQ(refusal({}, {floats("x", {1, 2}, {1, 2})}, {.nodes = {"conv*"}}),
            "no node of graph is called conv*");
  EXPECT_THAT(refusal({.last = "Quirk"}, {floats("x", {1, 2}, {1, 2})}), HasSubstr("Quirk"));
}

TEST_F(RunNetworkTest, RandomInputsFitAndFollowTheSeed) {
  const auto reader = open({});
  const auto one = random_inputs(*reader, "", {}, 7);
  EXPECT_EQ(one[0].info, (TensorInfo{"x", DType::kFloat32, {1, 2}}));
  EXPECT_EQ(one, random_inputs(*reader, "", {}, 7));
  EXPECT_NE(one, random_inputs(*reader, "", {}, 8));
  EXPECT_EQ(random_inputs(*reader, "", {{"x", {5, 2}}}, 7)[0].info.shape, (Shape{5, 2}));
  EXPECT_THROW(random_inputs(*reader, "", {{"z", {1}}}, 7), Error);
}

TEST_F(RunNetworkTest, ArraysAreWrittenAndRead) {
  const std::vector<NamedArray> arrays = {
      floats("a/b", {2}, {1, 2}),
      {{"c", DType::kBFloat16, {1}}, bytes_of<std::uint16_t>({0x3f80})}};
  const std::filesystem::path path = directory() / "arrays.npz";
  write_arrays(*create_checkpoint({CheckpointFormat::kNpz, path}, Overwrite::kNo), arrays);
  EXPECT_EQ(read_arrays(path), (std::vector<NamedArray>{arrays[0], floats("c", {1}, {1})}));
}

TEST_F(RunNetworkTest, AReadyNetworkIsPreparedForTheShapesThatCome) {
  const ReadyNetwork network(open({}), {.nodes = {"h"}}, 2);
  ASSERT_EQ(network.inputs().size(), 1u);
  EXPECT_EQ(network.inputs()[0].name, "x");
  EXPECT_EQ(network.inputs()[0].shape.size(), 2u);
  EXPECT_THAT(network.outputs(), ElementsAre("y", "h"));
  for (const std::int64_t examples : {2, 2, 3, 1}) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < 2 * examples; ++i) values.push_back(static_cast<float>(i) - 2);
    const NamedArray x = floats("x", {examples, 2}, values);
    const NetworkRun expected = run({}, {x}, {.nodes = {"h"}});
    const std::vector<NamedArray> found = network.run(std::vector{x});
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0], expected.outputs[0]);
    EXPECT_EQ(found[1], expected.nodes[0]);
  }
  EXPECT_EQ(category_of([&] { static_cast<void>(network.run({})); }), ErrorCategory::kNotFound);
}

}  // namespace
}  // namespace narrow
