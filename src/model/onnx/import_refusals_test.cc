// What an ONNX file is refused for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/onnx/node_import.h"
#include "model/onnx/testing/onnx_model.h"

namespace narrow {
namespace {

TEST(ImportOnnxRefusals, FunctionsThatCallThemselvesAreRefused) {
  OnnxModel model(13);
  add_twice(model);
  onnx::NodeProto& inner = *model.message().mutable_functions(0)->add_node();
  OnnxModel::fill(inner, "twice", {"b"}, {"more"});
  inner.set_domain("mine");
  model.node("twice", {"x"}, {"y"}).set_domain("mine");
  EXPECT_THROW(model.import("y"), Error);
}

TEST(ImportOnnxRefusals, FunctionsWithinTheirOwnBranchesAreRefused) {
  OnnxModel model(13);
  add_twice(model);
  onnx::NodeProto& inner = *model.message().mutable_functions(0)->add_node();
  OnnxModel::fill(inner, "If", {"c"}, {"more"});
  for (const char* const name : {"then_branch", "else_branch"}) {
    add_branch(inner, name, "twice", {"b"});
    inner.mutable_attribute()->rbegin()->mutable_g()->mutable_node(0)->set_domain("mine");
  }
  onnx::NodeProto& largest = *model.message().mutable_functions(0)->add_node();
  OnnxModel::fill(largest, "ReduceMax", {"b"}, {"largest"});
  largest.add_attribute()->set_name("keepdims");
  OnnxModel::fill(*model.message().mutable_functions(0)->add_node(), "IsNaN", {"largest"}, {"c"});
  model.node("twice", {"x"}, {"y"}).set_domain("mine");
  EXPECT_THROW(model.import("y"), Error);
}

// Whether a node with these inputs is taken. Whatever else a file lacks is refused by an Error.
bool is_taken(const ImporterRow& row, bool is_microsoft, std::int64_t opset,
              const std::vector<std::string>& inputs) {
  OnnxModel model(opset);
  onnx::NodeProto& node = model.node(std::string(row.op_type), inputs, {"y"});
  if (is_microsoft) node.set_domain("com.microsoft");
  try {
    model.import("y");
    return true;
  } catch (const Error&) {
    return false;
  }
}

TEST(ImportOnnxRefusals, NodesMayLackAnyInput) {
  for (const auto& part : {window_importers(), norm_importers(), elementwise_importers(),
                           movement_importers(), index_importers(), reduce_importers(),
                           quantized_importers(), control_importers(), microsoft_importers()}) {
    const bool is_microsoft = part.data() == microsoft_importers().data();
    for (const ImporterRow& row : part) {
      for (const std::int64_t opset : {1, 6, 7, 9, 10, 11, 12, 13, 17, 18, 21, 25}) {
        // No operator but Loop, which has no body here, can do without its first input.
        EXPECT_FALSE(is_taken(row, is_microsoft, opset, {})) << row.op_type << " " << opset;
        for (std::size_t count = 1; count < 10; ++count) {
          std::vector<std::string> inputs(count, "x");
          is_taken(row, is_microsoft, opset, inputs);
          for (std::size_t lacking = 0; lacking < count; ++lacking) {
            inputs.assign(count, "x");
            inputs[lacking].clear();
            const bool taken = is_taken(row, is_microsoft, opset, inputs);
            EXPECT_FALSE(taken && lacking == 0) << row.op_type << " " << opset << " " << count;
          }
        }
      }
    }
  }
}

TEST(ImportOnnxRefusals, NamesWhatItCannotCompute) {
  OnnxModel model(13);
  model.node("Fancy", {"x"}, {"y"}).set_name("n");
  model.expect_refused(ErrorCategory::kUnsupported,
                       "the node n is Fancy of the domain ai.onnx, which is not computed");
  OnnxModel foreign(13);
  foreign.node("Relu", {"x"}, {"y"}).set_domain("com.example");
  foreign.expect_refused(ErrorCategory::kUnsupported,
                         "the node y is Relu of the domain com.example, which is not computed");
  OnnxModel loop(13);
  loop.node("Loop", {"x"}, {"y"}).set_name("n");
  loop.expect_refused(ErrorCategory::kCorrupt, "Loop n has no graph body");
}

TEST(ImportOnnxRefusals, RefusesOpsetsThatItDoesNotKnow) {
  OnnxModel model(26);
  model.node("Relu", {"x"}, {"y"});
  model.expect_refused(ErrorCategory::kUnsupported,
                       "the node y is Relu of the domain ai.onnx, whose opset is 26, expected 1 to "
                       "25");
}

TEST(ImportOnnxRefusals, RefusesWhatContradictsItself) {
  OnnxModel circle(13);
  circle.node("Add", {"x", "y"}, {"a"}).set_name("n");
  circle.node("Relu", {"a"}, {"y"});
  circle.expect_refused(ErrorCategory::kCorrupt, "Add n reads what follows from its own result");
  OnnxModel twice(13);
  twice.node("Relu", {"x"}, {"y"});
  twice.node("Relu", {"x"}, {"y"});
  twice.expect_refused(ErrorCategory::kCorrupt, "two nodes make the value y");
  OnnxModel missing(13);
  missing.node("Relu", {"z"}, {"y"}).set_name("n");
  missing.expect_refused(ErrorCategory::kCorrupt, "Relu n reads the value z, which nothing makes");
  OnnxModel inputs(13);
  inputs.node("Add", {"x"}, {"y"}).set_name("n");
  inputs.expect_refused(ErrorCategory::kUnsupported, "Add n: 1 inputs, expected 2 to 2");
  OnnxModel hole(13);
  hole.node("Max", {"x", "", "x"}, {"y"}).set_name("n");
  hole.expect_refused(ErrorCategory::kUnsupported,
                      "Max n: an input is left out, expected all of them");
  OnnxModel codes(13);
  onnx::OperatorSetIdProto& opset = *codes.message().add_opset_import();
  opset.set_domain("com.microsoft");
  opset.set_version(1);
  onnx::NodeProto& sigmoid = codes.node("QLinearSigmoid", {"x"}, {"y"});
  sigmoid.set_name("n");
  sigmoid.set_domain("com.microsoft");
  codes.expect_refused(ErrorCategory::kUnsupported,
                       "QLinearSigmoid n: 1 inputs of DequantizeLinear, expected 2 to 3");
  OnnxModel many(13);
  many.node("TopK", {"x", "x"}, {"y"}).set_name("n");
  many.expect_refused(ErrorCategory::kUnsupported,
                      "TopK n: an input is [N, 2, 4] of type float32, expected integers on one "
                      "axis");
  OnnxModel wrong(13);
  set_integers(wrong.node("LeakyRelu", {"x"}, {"y"}), "alpha", {1});
  wrong.expect_refused(ErrorCategory::kCorrupt,
                       "LeakyRelu y: its attribute alpha is of the type INTS, expected FLOAT");
}

TEST(ImportOnnxRefusals, RefusesTensorsWhoseSizesLie) {
  OnnxModel model(13);
  model.floats("w", {1, 2, 4}).set_dims(2, std::int64_t{1} << 40);
  model.node("Add", {"x", "w"}, {"y"});
  // Large ones are weights whose values are not read here.
  EXPECT_THROW(model.import("y"), Error);
  OnnxModel little(13);
  little.floats("w", {1, 2, 4}).set_dims(2, 5);
  little.node("Add", {"x", "w"}, {"y"});
  EXPECT_THROW(little.import("y"), Error);
  OnnxModel negative(13);
  negative.floats("w", {4}).set_dims(0, -4);
  negative.node("Add", {"x", "w"}, {"y"});
  EXPECT_THROW(negative.import("y"), Error);
}

}  // namespace
}  // namespace narrow
