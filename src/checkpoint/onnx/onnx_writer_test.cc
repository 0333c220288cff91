#include <gtest/gtest.h>

#include "checkpoint/container/formats.h"
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

}  // namespace
}  // namespace narrow
