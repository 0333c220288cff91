#include <gtest/gtest.h>

#include "checkpoint/container/formats.h"
#include "checkpoint/memory_file.h"
#include "checkpoint/testing/flat_checkpoint.h"

namespace narrow {
namespace {

using namespace std::string_literals;

// Fields of a protocol buffer message: bytes, which are fewer than 128, and small numbers.
std::string bytes_field(int number, const std::string& content) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(content.size())} +
         content;
}
std::string number_field(int number, int value) {
  return {static_cast<char>(number << 3), static_cast<char>(value)};
}

std::string shape_field(const std::vector<int>& dims) {
  std::string shape;
  for (const int dim : dims) shape += bytes_field(2, number_field(1, dim));
  return bytes_field(2, shape);
}

// A node Const of `tensor`, fields of a TensorProto.
std::string constant(const std::string& name, const std::string& tensor) {
  const std::string value = bytes_field(1, "value") + bytes_field(2, bytes_field(8, tensor));
  return bytes_field(1, bytes_field(1, name) + bytes_field(2, "Const") + bytes_field(5, value));
}

constexpr int kFloat = 1;
constexpr int kInt32 = 3;

void expect_refused(ErrorCategory category, const std::string& part, const std::string& graph) {
  SCOPED_TRACE(part);
  const MemoryFile file(as_byte_span(graph));
  expect_error(category, part, [&] { read_everything(*open_checkpoint(file.path())); });
}

std::string values_of(const std::string& graph) {
  const MemoryFile file(as_byte_span(graph));
  const auto reader = open_checkpoint(file.path());
  EXPECT_EQ(read_everything(*reader, 3), read_everything(*reader));
  return read_everything(*reader).front().values;
}

// The other cases are in the golden file frozen_graph.
TEST(FrozenGraph, RepeatsTheLastValueOfAField) {
  const std::string shape = shape_field({2, 2});
  const std::string packed = bytes_field(7, "\1\xac\2"s);
  EXPECT_EQ(values_of(constant("c", number_field(1, kInt32) + shape + packed)),
            "\1\0\0\0\x2c\1\0\0\x2c\1\0\0\x2c\1\0\0"s);
  // A tag before each.
  const std::string tagged = number_field(7, 5) + number_field(7, 6);
  EXPECT_EQ(values_of(constant("c", number_field(1, kInt32) + shape + tagged)),
            "\5\0\0\0\6\0\0\0\6\0\0\0\6\0\0\0"s);
  EXPECT_EQ(values_of(constant("c", number_field(1, kInt32) + shape)), std::string(16, '\0'));
}

TEST(FrozenGraph, TakesTheFieldsOfANodeInAnyOrder) {
  const std::string tensor = bytes_field(4, "abcd") + shape_field({1}) + number_field(1, kFloat);
  const std::string value = bytes_field(2, bytes_field(8, tensor)) + bytes_field(1, "value");
  const std::string first = bytes_field(1, bytes_field(1, "x") + bytes_field(2, "Identity"));
  const std::string node = bytes_field(5, value) + bytes_field(2, "Const") + bytes_field(1, "w");
  EXPECT_EQ(values_of(first + bytes_field(1, node)), "abcd");
}

TEST(FrozenGraph, RefusesWhatDoesNotFit) {
  const std::string type = number_field(1, kFloat);
  const auto corrupt = ErrorCategory::kCorrupt;
  expect_refused(corrupt, "node 'c' has 4 bytes of values, but its shape [2] and type float32",
                 constant("c", type + shape_field({2}) + bytes_field(4, "abcd")));
  expect_refused(corrupt, "has 2 values, but its shape [1]",
                 constant("c", type + shape_field({1}) + bytes_field(5, "abcdefgh")));
  expect_refused(corrupt, "is not the number of a type", constant("c", shape_field({1})));
  const std::string whole = constant("c", type + shape_field({1}) + bytes_field(4, "abcd"));
  expect_refused(corrupt, "node 'c' occurs twice", whole + whole);
  expect_refused(corrupt, "truncated or damaged", whole + "\x0a\x7f"s);
  expect_refused(corrupt, "node 'c' has no value",
                 bytes_field(1, bytes_field(1, "c") + bytes_field(2, "Const")));
  const std::string huge = bytes_field(2, bytes_field(2, "\x08\xff\xff\xff\xff\x0f"s));
  expect_refused(ErrorCategory::kUnsupported, "node 'c' has 1 values for the 4294967295 elements",
                 constant("c", type + huge + bytes_field(5, "abcd")));
}

TEST(FrozenGraph, SaysWhereVariablesLie) {
  const std::string node = bytes_field(1, bytes_field(1, "w") + bytes_field(2, "VarHandleOp"));
  expect_refused(ErrorCategory::kUnsupported, "with 1 variables, the first of which is 'w'", node);
  expect_refused(ErrorCategory::kUnsupported, "without constants",
                 bytes_field(1, bytes_field(1, "x") + bytes_field(2, "Placeholder")));
}

TEST(FrozenGraph, ListsOtherTypes) {
  constexpr int kInt4 = 29;
  const std::string graph =
      constant("raw", number_field(1, kInt4) + shape_field({2}) + bytes_field(4, "\1\2")) +
      constant("typed", number_field(1, kInt4) + shape_field({2}) + bytes_field(7, "\1\2"));
  const MemoryFile file(as_byte_span(graph));
  const auto reader = open_checkpoint(file.path());
  EXPECT_EQ(reader->tensors()[0].opaque, (OpaqueType{OpaqueType::Family::kTensorFlow, "int4", 2}));
  std::string values(2, '\0');
  reader->read(0, std::as_writable_bytes(std::span(values)));
  EXPECT_EQ(values, "\1\2");
  expect_error(ErrorCategory::kUnsupported, "cannot be taken out", [&] { (void)reader->open(1); });
}

TEST(FrozenGraph, IsNoOtherMessage) {
  const std::string operators = bytes_field(2, bytes_field(1, bytes_field(1, "Const")));
  const std::string version = bytes_field(1, "v1");
  for (const std::string& meta_graph :
       {bytes_field(1, operators), bytes_field(1, version + operators)}) {
    const MemoryFile file(as_byte_span(meta_graph));
    EXPECT_FALSE(looks_like_frozen_graph(InputFile(file.path())));
  }
  const MemoryFile graph(as_byte_span(constant("c", number_field(1, kFloat))));
  EXPECT_TRUE(looks_like_frozen_graph(InputFile(graph.path())));
  EXPECT_FALSE(looks_like_onnx(InputFile(graph.path())));
}

}  // namespace
}  // namespace narrow
