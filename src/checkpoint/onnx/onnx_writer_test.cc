#include <gtest/gtest.h>

#include "checkpoint/container/formats.h"
#include "checkpoint/onnx/new_onnx_file.h"
#include "checkpoint/onnx/onnx_message.h"
#include "checkpoint/onnx/testing/onnx_models.h"

namespace narrow {
namespace {

using onnx::TensorProto;

std::unique_ptr<CheckpointWriter> writer_like(const std::filesystem::path& from,
                                              const std::filesystem::path& to) {
  return create_onnx_like(from, {CheckpointFormat::kOnnx, to}, Overwrite::kYes);
}

onnx::ModelProto read_back(const std::filesystem::path& path) {
  return read_onnx_message(path, UINT64_MAX);
}

// A model with everything that values can lie in, fields that nobody knows and properties.
onnx::ModelProto full_model() {
  auto model = empty_model();
  auto& graph = *model.mutable_graph();
  *add_attribute(add_node(graph, "Constant", {}, "k"), "value").mutable_t() =
      counting_tensor("", {2});
  auto& body = *add_attribute(add_node(graph, "If", {"c"}, "y"), "then_branch").mutable_g();
  TensorProto half = tensor_message("half", TensorProto::FLOAT16, {3}, "");
  half.clear_raw_data();
  for (const int bits : {1, 0x80, 0xbc00}) half.add_int32_data(bits);
  *body.add_initializer() = half;
  TensorProto strings = tensor_message("strings", TensorProto::STRING, {2}, "");
  strings.clear_raw_data();
  strings.add_string_data("one");
  strings.add_string_data("two");
  *graph.add_initializer() = strings;
  TensorProto typed = tensor_message("typed", TensorProto::INT64, {2}, "");
  typed.clear_raw_data();
  typed.add_int64_data(-1);
  typed.add_int64_data(300);
  *graph.add_initializer() = typed;
  *graph.add_initializer() = tensor_message("empty", TensorProto::FLOAT, {0, 3}, "");
  *graph.add_initializer() = counting_tensor("w", {30, 2});
  *graph.add_initializer() = tensor_message("codes", TensorProto::INT4, {3}, "\x21\x03");
  model.add_functions()->set_name("f");
  auto& property = *model.add_metadata_props();
  property.set_key("a");
  property.set_value("b");
  return model;
}

TEST(OnnxWriter, AnUnchangedCopyIsTheSameFile) {
  const TempFolder folder;
  const std::string content = full_model().SerializeAsString() + "\xfa\x06\x03xyz";  // field 111
  put_file(folder / "in.onnx", content);
  for (const std::size_t piece_bytes : {std::size_t{1}, std::size_t{3}, std::size_t{1000}}) {
    copy_unchanged(folder / "in.onnx", folder / "out.onnx", piece_bytes);
    EXPECT_EQ(file_content(folder / "out.onnx"), content);
  }
  // Tensors that are not written keep their values.
  writer_like(folder / "in.onnx", folder / "out.onnx")->finish();
  EXPECT_EQ(file_content(folder / "out.onnx"), content);
}

TEST(OnnxWriter, CopiesWhatTheReferenceWrote) {
  const TempFolder folder;
  copy_unchanged(golden_path("onnx/types.onnx"), folder / "out.onnx");
  EXPECT_EQ(file_content(folder / "out.onnx"), file_content(golden_path("onnx/types.onnx")));
}

TEST(OnnxWriter, ChangesValuesAndNothingElse) {
  const TempFolder folder;
  auto model = full_model();
  put_model(folder / "in.onnx", model);
  rewrite(folder / "in.onnx", folder / "out.onnx", 4, [](const std::string& name, auto& values) {
    if (name == "w") values.replace(0, 4, raw<float>({-0.5F}));
    if (name == "k") values = raw<float>({8, 9});
  });
  auto& graph = *model.mutable_graph();
  graph.mutable_initializer(3)->mutable_raw_data()->replace(0, 4, raw<float>({-0.5F}));
  graph.mutable_node(0)->mutable_attribute(0)->mutable_t()->set_raw_data(raw<float>({8, 9}));
  EXPECT_EQ(file_content(folder / "out.onnx"), model.SerializeAsString());
}

// Numbers and strings that take more or less room change the lengths of all that is around them.
TEST(OnnxWriter, LengthsFollowValues) {
  const TempFolder folder;
  auto model = full_model();
  put_model(folder / "in.onnx", model);
  const std::string longer(20000, 'l');
  rewrite(folder / "in.onnx", folder / "out.onnx", 3, [&](const std::string& name, auto& values) {
    if (name == "y/then_branch/half") values = raw<std::uint16_t>({0xffff, 0, 0xbc00});
    if (name == "typed") values = raw<std::int64_t>({1, INT64_MIN});
    if (name == "strings" && values == "one") values = longer;
  });
  auto& graph = *model.mutable_graph();
  auto& half = *graph.mutable_node(1)->mutable_attribute(0)->mutable_g()->mutable_initializer(0);
  half.set_int32_data(0, 0xffff);
  half.set_int32_data(1, 0);
  graph.mutable_initializer(0)->set_string_data(0, longer);
  graph.mutable_initializer(1)->set_int64_data(0, 1);
  graph.mutable_initializer(1)->set_int64_data(1, INT64_MIN);
  EXPECT_EQ(file_content(folder / "out.onnx"), model.SerializeAsString());
}

TEST(OnnxWriter, PropertiesAreReplacedWhereTheyStand) {
  const TempFolder folder;
  auto model = full_model();
  put_model(folder / "in.onnx", model);
  const auto written = [&](const std::map<std::string, std::string>& metadata) {
    const auto writer = writer_like(folder / "in.onnx", folder / "out.onnx");
    writer->set_metadata(metadata);
    writer->finish();
    return file_content(folder / "out.onnx");
  };
  EXPECT_EQ(written({{"a", "b"}}), model.SerializeAsString());
  auto& added = *model.add_metadata_props();
  added.set_key("recipe");
  added.set_value(std::string(1000, 'r'));
  EXPECT_EQ(written({{"a", "b"}, {"recipe", added.value()}}), model.SerializeAsString());
  model.mutable_metadata_props(0)->set_value("changed");
  EXPECT_EQ(written({{"a", "changed"}, {"recipe", added.value()}}), model.SerializeAsString());
  model.clear_metadata_props();
  EXPECT_EQ(written({}), model.SerializeAsString());
}

TEST(OnnxWriter, MayTakeThePlaceOfItsSource) {
  const TempFolder folder;
  put_model(folder / "m.onnx", full_model());
  rewrite(folder / "m.onnx", folder / "m.onnx", 100, [](const std::string& name, auto& values) {
    if (name == "w") values.replace(0, 4, raw<float>({7}));
  });
  EXPECT_EQ(read_back(folder / "m.onnx").graph().initializer(3).raw_data().substr(0, 4),
            raw<float>({7}));
}

TEST(OnnxWriter, NeedsASource) {
  const TempFolder folder;
  expect_error(ErrorCategory::kUnsupported, "another ONNX file", [&] {
    create_checkpoint({CheckpointFormat::kOnnx, folder / "out.onnx"}, Overwrite::kNo);
  });
}

TEST(OnnxWriter, RefusesWhatTheModelDoesNotHave) {
  const TempFolder folder;
  put_model(folder / "in.onnx", full_model());
  const auto writer = writer_like(folder / "in.onnx", folder / "out.onnx");
  expect_error(ErrorCategory::kUnsupported, "has none of that name", [&] {
    writer->add({"v", DType::kFloat32, {1}});
  });
  expect_error(ErrorCategory::kUnsupported, "in the model", [&] {
    writer->add({"w", DType::kFloat16, {30, 2}});
  });
  writer->add({"w", DType::kFloat32, {30, 2}});
  expect_error(ErrorCategory::kUsage, "not in the order", [&] {
    writer->add({"k", DType::kFloat32, {2}});
  });
  expect_error(ErrorCategory::kUsage, "lacks 240 bytes",
               [&] { writer->write(std::vector<std::byte>(241)); });
  writer->write(std::vector<std::byte>(239));
  expect_error(ErrorCategory::kUsage, "239 of its 240 bytes", [&] { writer->finish(); });
  writer->write(std::vector<std::byte>(1));
  expect_error(ErrorCategory::kUsage, "after the last tensor",
               [&] { writer->write(std::vector<std::byte>(1)); });
  EXPECT_FALSE(std::filesystem::exists(folder / "out.onnx"));
}

// The weights "a" [3000] and "b" [2, 3] without values, and a constant between them.
onnx::ModelProto description() {
  onnx::ModelProto model = empty_model();
  auto& graph = *model.mutable_graph();
  add_node(graph, "Relu", {"a"}, "y");
  graph.add_output()->set_name("y");
  *graph.add_initializer() = tensor_message("a", TensorProto::FLOAT, {3000}, "");
  *graph.add_initializer() = counting_tensor("constant", {4});
  *graph.add_initializer() = tensor_message("b", TensorProto::FLOAT16, {2, 3}, "");
  *graph.add_initializer() = tensor_message("empty", TensorProto::FLOAT, {0}, "");
  for (const int i : {0, 2}) graph.mutable_initializer(i)->clear_raw_data();
  auto& property = *model.add_metadata_props();
  property.set_key("k");
  property.set_value("v");
  return model;
}

std::string value_bytes(std::size_t count, char first) {
  std::string bytes(count, '\0');
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<char>(first + i % 100);
  return bytes;
}

void fill(CheckpointWriter& writer) {
  const std::string a = value_bytes(12000, 1);
  const std::string b = value_bytes(12, 50);
  writer.add({"a", DType::kFloat32, {3000}});
  writer.add({"b", DType::kFloat16, {2, 3}});
  for (std::size_t at = 0; at < a.size(); at += 5000) {
    writer.write(as_byte_span(std::string_view(a).substr(at, 5000)));
  }
  writer.write(as_byte_span(b));
  writer.finish();
}

TEST(NewOnnxFile, IsTheDescriptionWithValues) {
  const TempFolder folder;
  fill(*create_onnx_file(description(), folder / "out.onnx", Overwrite::kNo));
  onnx::ModelProto expected = description();
  expected.mutable_graph()->mutable_initializer(0)->set_raw_data(value_bytes(12000, 1));
  expected.mutable_graph()->mutable_initializer(2)->set_raw_data(value_bytes(12, 50));
  EXPECT_EQ(read_back(folder / "out.onnx").SerializeAsString(), expected.SerializeAsString());
  EXPECT_FALSE(std::filesystem::exists(folder / "out.onnx.data"));
}

TEST(NewOnnxFile, ValuesOfALargeOneLieBesideIt) {
  const TempFolder folder;
  constexpr std::uint64_t kMostBytes = 4096;
  fill(*create_onnx_file(description(), folder / "out.onnx", Overwrite::kNo, kMostBytes));
  EXPECT_LT(std::filesystem::file_size(folder / "out.onnx"), kMostBytes);
  const auto reader = open_checkpoint(folder / "out.onnx");
  for (const auto& [name, expected] : std::map<std::string, std::string>{
           {"a", value_bytes(12000, 1)}, {"b", value_bytes(12, 50)}}) {
    std::string found(expected.size(), '\0');
    reader->read(reader->find(name).value(), std::as_writable_bytes(std::span(found)));
    EXPECT_EQ(found, expected) << name;
  }
  const onnx::ModelProto model = read_back(folder / "out.onnx");
  const TensorProto& b = model.graph().initializer(2);
  EXPECT_EQ(b.external_data(0).value(), "out.onnx.data");
  EXPECT_EQ(b.external_data(1).value(), "12288");  // after 12000 bytes
  EXPECT_EQ(model.graph().initializer(1).raw_data().size(), 16U);
}

TEST(NewOnnxFile, TakesWhatTheDescriptionLacksAndNothingElse) {
  const TempFolder folder;
  const auto create = [&](std::uint64_t most_bytes) {
    return create_onnx_file(description(), folder / "out.onnx", Overwrite::kNo, most_bytes);
  };
  EXPECT_THROW(create(100), Error);  // even without the values of weights
  const auto writer = create(kMostOnnxBytes);
  EXPECT_THROW(writer->add({"constant", DType::kFloat32, {4}}), Error);
  EXPECT_THROW(writer->add({"a", DType::kFloat32, {3001}}), Error);
  writer->add({"a", DType::kFloat32, {3000}});
  EXPECT_THROW(writer->write(as_byte_span(value_bytes(12001, 1))), Error);
  EXPECT_THROW(writer->finish(), Error);
  EXPECT_FALSE(std::filesystem::exists(folder / "out.onnx"));
}

}  // namespace
}  // namespace narrow
