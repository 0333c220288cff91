#include <gtest/gtest.h>

#include "checkpoint/container/formats.h"
#include "checkpoint/memory_file.h"
#include "checkpoint/onnx/onnx_message.h"
#include "checkpoint/onnx/testing/onnx_models.h"

namespace narrow {
namespace {

using onnx::TensorProto;

class OpenModel {
 public:
  explicit OpenModel(const onnx::ModelProto& model) : OpenModel(model.SerializeAsString()) {}
  explicit OpenModel(const std::string& content)
      : file_(as_byte_span(content)), reader_(open_checkpoint(file_.path())) {}
  const CheckpointReader& operator*() const { return *reader_; }
  const CheckpointReader* operator->() const { return reader_.get(); }

 private:
  MemoryFile file_;
  std::unique_ptr<CheckpointReader> reader_;
};

std::string values_of(const CheckpointReader& reader, const std::string& name) {
  for (const std::size_t piece_bytes : {std::size_t{3}, std::size_t{0}}) {
    for (const FullTensor& tensor : read_everything(reader, piece_bytes)) {
      if (tensor.info.name == name && piece_bytes == 0) return tensor.values;
    }
  }
  ADD_FAILURE() << "no tensor " << name;
  return {};
}

void expect_refused(ErrorCategory category, const std::string& part, const TensorProto& tensor) {
  SCOPED_TRACE(part);
  auto model = empty_model();
  *model.mutable_graph()->add_initializer() = tensor;
  expect_error(category, part, [&] {
    const OpenModel open(model);
    read_everything(*open);
  });
}

TEST(OnnxReader, ReadsWhatTheReferenceWrote) {
  const auto reader = open_checkpoint(golden_path("onnx/types.onnx"));
  EXPECT_EQ(reader->metadata(), (std::map<std::string, std::string>{{"author", "somebody"}}));
  const auto expected = expected_tensors("onnx/types.onnx");
  for (const std::size_t piece_bytes : {std::size_t{0}, std::size_t{1}, std::size_t{7}}) {
    auto found = read_everything(*reader, piece_bytes);
    for (FullTensor& tensor : found) tensor.info.use = TensorUse::kUnknown;
    EXPECT_EQ(found, expected);
  }
}

struct TypeCase {
  int number;
  std::string_view name;
  DType dtype;
  unsigned bits;
};

constexpr TypeCase kTypes[] = {
    {1, "float32", DType::kFloat32, 32},
    {2, "uint8", DType::kUInt8, 8},
    {3, "int8", DType::kInt8, 8},
    {4, "uint16", DType::kUInt16, 16},
    {5, "int16", DType::kInt16, 16},
    {6, "int32", DType::kInt32, 32},
    {7, "int64", DType::kInt64, 64},
    {9, "bool", DType::kBool, 8},
    {10, "float16", DType::kFloat16, 16},
    {11, "float64", DType::kFloat64, 64},
    {12, "uint32", DType::kUInt32, 32},
    {13, "uint64", DType::kUInt64, 64},
    {14, "complex64", DType::kComplex64, 64},
    {15, "complex128", DType::kComplex128, 128},
    {16, "bfloat16", DType::kBFloat16, 16},
    {17, "float8_e4m3", DType::kFloat8E4M3, 8},
    {18, "FLOAT8E4M3FNUZ", DType::kOpaque, 8},
    {19, "float8_e5m2", DType::kFloat8E5M2, 8},
    {20, "FLOAT8E5M2FNUZ", DType::kOpaque, 8},
    {21, "UINT4", DType::kOpaque, 4},
    {22, "INT4", DType::kOpaque, 4},
    {23, "FLOAT4E2M1", DType::kOpaque, 4},
    {24, "FLOAT8E8M0", DType::kOpaque, 8},
    {25, "UINT2", DType::kOpaque, 2},
    {26, "INT2", DType::kOpaque, 2},
};

// Every type, three elements, as bytes of raw_data.
TEST(OnnxReader, ReadsEveryTypeFromRawData) {
  for (const TypeCase& type : kTypes) {
    std::string bytes((3 * type.bits + 7) / 8, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(0x11 * (i + 1));
    auto model = empty_model();
    *model.mutable_graph()->add_initializer() = tensor_message("x", type.number, {3}, bytes);
    const OpenModel open(model);
    ASSERT_EQ(open->tensors().size(), 1U);
    const TensorInfo& info = open->tensors()[0];
    EXPECT_EQ(info.type_name(), type.name);
    EXPECT_EQ(info.dtype, type.dtype);
    EXPECT_EQ(info.shape, Shape{3});
    EXPECT_EQ(info.byte_size(), bytes.size());
    EXPECT_EQ(values_of(*open, "x"), bytes);
    bytes.push_back('x');
    expect_refused(ErrorCategory::kCorrupt, "of values, but its shape [3]",
                   tensor_message("x", type.number, {3}, bytes));
  }
}

TEST(OnnxReader, ReadsEveryTypedField) {
  auto model = empty_model();
  auto& graph = *model.mutable_graph();
  const auto add = [&](const char* name, int type, std::int64_t count) -> TensorProto& {
    TensorProto tensor = tensor_message(name, type, {count}, "");
    tensor.clear_raw_data();
    return *graph.add_initializer() = std::move(tensor);
  };
  auto& floats = *add("f", TensorProto::FLOAT, 2).mutable_float_data();
  floats.Add(1.5F);
  floats.Add(-2.0F);
  auto& complex = *add("c", TensorProto::COMPLEX64, 1).mutable_float_data();
  complex.Add(1.0F);
  complex.Add(2.0F);
  add("d", TensorProto::DOUBLE, 1).add_double_data(0.1);
  add("i64", TensorProto::INT64, 1).add_int64_data(-5);
  add("u64", TensorProto::UINT64, 1).add_uint64_data(UINT64_MAX);
  add("u32", TensorProto::UINT32, 1).add_uint64_data(UINT32_MAX);
  add("i32", TensorProto::INT32, 1).add_int32_data(-7);
  add("i16", TensorProto::INT16, 1).add_int32_data(-8);
  add("i8", TensorProto::INT8, 1).add_int32_data(-9);
  add("u8", TensorProto::UINT8, 1).add_int32_data(200);
  add("b", TensorProto::BOOL, 1).add_int32_data(1);
  add("h", TensorProto::FLOAT16, 1).add_int32_data(0xbc00);
  auto& nibbles = *add("i4", TensorProto::INT4, 3).mutable_int32_data();
  nibbles.Add(0x21);
  nibbles.Add(0x0f);
  add("none", TensorProto::FLOAT, 0);
  const OpenModel open(model);
  EXPECT_EQ(values_of(*open, "f"), raw<float>({1.5F, -2.0F}));
  EXPECT_EQ(values_of(*open, "c"), raw<float>({1.0F, 2.0F}));
  EXPECT_EQ(values_of(*open, "d"), raw<double>({0.1}));
  EXPECT_EQ(values_of(*open, "i64"), raw<std::int64_t>({-5}));
  EXPECT_EQ(values_of(*open, "u64"), raw<std::uint64_t>({UINT64_MAX}));
  EXPECT_EQ(values_of(*open, "u32"), raw<std::uint32_t>({UINT32_MAX}));
  EXPECT_EQ(values_of(*open, "i32"), raw<std::int32_t>({-7}));
  EXPECT_EQ(values_of(*open, "i16"), raw<std::int16_t>({-8}));
  EXPECT_EQ(values_of(*open, "i8"), raw<std::int8_t>({-9}));
  EXPECT_EQ(values_of(*open, "u8"), "\xc8");
  EXPECT_EQ(values_of(*open, "b"), "\x01");
  EXPECT_EQ(values_of(*open, "h"), raw<std::uint16_t>({0xbc00}));
  EXPECT_EQ(values_of(*open, "i4"), "\x21\x0f");
  EXPECT_EQ(values_of(*open, "none"), "");
}

TEST(OnnxReader, ReadsStrings) {
  auto model = empty_model();
  TensorProto tensor = tensor_message("s", TensorProto::STRING, {2}, "");
  tensor.clear_raw_data();
  tensor.add_string_data("one");
  tensor.add_string_data("");
  *model.mutable_graph()->add_initializer() = tensor;
  const OpenModel open(model);
  EXPECT_EQ(open->read_strings(0), (std::vector<std::string>{"one", ""}));
  expect_error(ErrorCategory::kUsage, "strings", [&] { (void)open->open(0); });
  tensor.add_dims(2);
  expect_refused(ErrorCategory::kCorrupt, "2 strings of values", tensor);
}

// Numbers with a tag before each, as writers without packed fields give them.
TEST(OnnxReader, ReadsUnpackedNumbers) {
  std::string tensor("\x08\x02\x10\x01\x42\x01w", 7);  // dims 2, FLOAT, name "w"
  for (const float value : {3.0F, 4.0F}) tensor += "\x25" + raw<float>({value});
  std::string ints("\x08\x02\x10\x07\x42\x01i", 7);  // INT64
  ints += std::string("\x38\x05\x38\xac\x02", 5);    // 5, 300
  const auto field = [](char tag, const std::string& content) {
    return std::string{tag, static_cast<char>(content.size())} + content;
  };
  const OpenModel open("\x08\x0a" + field('\x3a', field('\x2a', tensor) + field('\x2a', ints)));
  EXPECT_EQ(values_of(*open, "w"), raw<float>({3.0F, 4.0F}));
  EXPECT_EQ(values_of(*open, "i"), raw<std::int64_t>({5, 300}));
}

TEST(OnnxReader, TensorsOfNodesAreNamedAfterTheirOutputs) {
  auto model = empty_model();
  auto& graph = *model.mutable_graph();
  *add_attribute(add_node(graph, "Constant", {}, "k"), "value").mutable_t() =
      counting_tensor("other name", {2});
  add_attribute(add_node(graph, "Constant", {}, "scalar"), "value_float").set_f(1);
  auto& branch = add_node(graph, "If", {"condition"}, "y");
  for (const char* const name : {"then_branch", "else_branch"}) {
    auto& body = *add_attribute(branch, name).mutable_g();
    *body.add_initializer() = counting_tensor("k", {1});
    *add_attribute(add_node(body, "Constant", {}, "c"), "value").mutable_t() =
        counting_tensor("", {1});
  }
  // A second node without a name of its own and with the output of another scope.
  auto& loop = add_node(graph, "Loop", {}, "y");
  *add_attribute(loop, "then_branch").mutable_g()->add_initializer() = counting_tensor("k", {1});
  *graph.add_initializer() = counting_tensor("w", {2, 2});
  const OpenModel open(model);
  std::vector<std::string> names;
  for (const TensorInfo& info : open->tensors()) names.push_back(info.name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"k", "y/then_branch/c", "y/then_branch/k", "y/else_branch/c",
                                      "y/else_branch/k", "y/then_branch/k#2", "w"}));
  EXPECT_EQ(values_of(*open, "w"), raw<float>({1, 2, 3, 4}));
}

TEST(OnnxReader, GivesProperties) {
  auto model = empty_model();
  auto& entry = *model.add_metadata_props();
  entry.set_key("author");
  entry.set_value("somebody");
  const OpenModel open(model);
  EXPECT_EQ(open->metadata(), (std::map<std::string, std::string>{{"author", "somebody"}}));
  EXPECT_EQ(open->location().format, CheckpointFormat::kOnnx);
}

TEST(OnnxReader, RefusesTensorsThatDoNotHoldWhatTheyAnnounce) {
  const auto corrupt = ErrorCategory::kCorrupt;
  expect_refused(corrupt, "dimension of -1", tensor_message("x", 1, {-1}, ""));
  expect_refused(corrupt, "cannot be counted",
                 tensor_message("x", 1, {INT64_MAX, INT64_MAX}, "abcd"));
  expect_refused(corrupt, "has 0 bytes of values", tensor_message("x", 1, {INT64_MAX / 64}, ""));
  expect_refused(corrupt, "the type 0", tensor_message("x", 0, {1}, "abcd"));
  expect_refused(corrupt, "without a name", tensor_message("", 1, {1}, "abcd"));
  TensorProto wrong = tensor_message("x", 1, {1}, "");
  wrong.clear_raw_data();
  wrong.add_int64_data(1);
  expect_refused(corrupt, "is of type FLOAT, but has values in int64_data", wrong);
  TensorProto both = tensor_message("x", 1, {1}, "abcd");
  both.add_float_data(1);
  expect_refused(ErrorCategory::kUnsupported, "in several pieces", both);
  TensorProto few = tensor_message("x", TensorProto::INT64, {2}, "");
  few.clear_raw_data();
  few.add_int64_data(300);
  expect_refused(corrupt, "", few);
  few.add_int64_data(1);
  few.add_int64_data(1);
  expect_refused(corrupt, "more numbers than its shape demands", few);
  TensorProto segment = tensor_message("x", 1, {1}, "abcd");
  segment.mutable_segment()->set_begin(0);
  expect_refused(ErrorCategory::kUnsupported, "segment", segment);
}

TEST(OnnxReader, TakesUnknownTypesAsBytes) {
  auto model = empty_model();
  *model.mutable_graph()->add_initializer() = tensor_message("x", 99, {7}, "abc");
  const OpenModel open(model);
  EXPECT_EQ(open->tensors()[0].type_name(), "type 99");
  EXPECT_EQ(values_of(*open, "x"), "abc");
}

TEST(OnnxReader, RefusesTwoTensorsOfOneName) {
  auto model = empty_model();
  for (int i = 0; i < 2; ++i) *model.mutable_graph()->add_initializer() = counting_tensor("w", {1});
  expect_error(ErrorCategory::kCorrupt, "second tensor 'w'", [&] { const OpenModel open(model); });
}

TEST(OnnxReader, RefusesGraphsThatNestTooDeeply) {
  auto model = empty_model();
  onnx::GraphProto* graph = model.mutable_graph();
  for (int i = 0; i < 40; ++i) {
    graph = add_attribute(add_node(*graph, "If", {}, "y"), "then_branch").mutable_g();
  }
  expect_error(ErrorCategory::kCorrupt, "nest too deeply", [&] { const OpenModel open(model); });
}

// Whatever the end of a file is, it is no model, or the sentence says where it ends.
TEST(OnnxReader, RefusesEveryFileThatIsCutOff) {
  auto model = empty_model();
  *model.mutable_graph()->add_initializer() = counting_tensor("w", {3});
  const std::string whole = model.SerializeAsString();
  for (std::size_t size = 0; size < whole.size() - 4; ++size) {
    EXPECT_THROW(OpenModel(whole.substr(0, size)), Error) << size;
  }
}

TEST(OnnxReader, IsRecognizedInAnyOrderOfFields) {
  const auto looks = [](const std::string& content) {
    const MemoryFile file(as_byte_span(content));
    return looks_like_onnx(InputFile(file.path()));
  };
  const std::string graph("\x3a\x03\x12\x01g", 5);
  EXPECT_TRUE(looks("\x08\x07" + graph));
  EXPECT_TRUE(looks(graph + "\x08\x07"));
  EXPECT_TRUE(looks("\x08\x07\x12\x01p" + graph));
  EXPECT_FALSE(looks(graph));
  EXPECT_FALSE(looks("\x08\x07"));
  EXPECT_FALSE(looks(""));
  EXPECT_FALSE(looks(std::string("\x08\x01\x12\x02\x0a\0", 6)));     // SavedModel
  EXPECT_FALSE(looks("\x0a\x03\x0a\x01n" + graph));                  // GraphDef
  EXPECT_FALSE(looks(std::string("\x08\x07\x3a\x7f\x12\x01g", 7)));  // cut off
}

TEST(OnnxMessage, LeavesOutLargeValuesOnly) {
  auto model = empty_model();
  auto& graph = *model.mutable_graph();
  *add_attribute(add_node(graph, "Constant", {}, "k"), "value").mutable_t() =
      counting_tensor("", {100});
  *graph.add_initializer() = counting_tensor("small", {4});
  *graph.add_initializer() = counting_tensor("large", {5});
  const std::string content = model.SerializeAsString();
  const MemoryFile file(as_byte_span(content));
  graph.mutable_node(0)->mutable_attribute(0)->mutable_t()->set_raw_data("");
  graph.mutable_initializer(1)->set_raw_data("");
  EXPECT_EQ(read_onnx_message(file.path(), 16).SerializeAsString(), model.SerializeAsString());
}

}  // namespace
}  // namespace narrow
