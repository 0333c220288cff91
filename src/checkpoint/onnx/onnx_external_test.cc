#include <gtest/gtest.h>

#include "checkpoint/onnx/onnx_message.h"
#include "checkpoint/onnx/testing/onnx_models.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;
using Entries = std::vector<std::pair<std::string, std::string>>;

// Two tensors of 8 and 4 bytes in the file "weights", and one of 8 bytes in the model.
onnx::ModelProto external_model(const std::string& location, const std::string& second_offset) {
  auto model = empty_model();
  auto& graph = *model.mutable_graph();
  *graph.add_initializer() = counting_tensor("a", {2});
  set_external(*graph.mutable_initializer(0),
               {{"location", location}, {"offset", "0"}, {"length", "8"}});
  *graph.add_initializer() = counting_tensor("inside", {2});
  *graph.add_initializer() = counting_tensor("b", {1});
  set_external(*graph.mutable_initializer(2), {{"location", location}, {"offset", second_offset}});
  return model;
}

std::string data_file(std::size_t second_offset) {
  std::string data = raw<float>({1, 2});
  data.resize(second_offset);
  return data + raw<float>({3});
}

TEST(OnnxExternal, IsReadAndWrittenBesideTheModel) {
  const TempFolder folder;
  for (const std::size_t offset : {8, 64, 4096}) {
    put_model(folder / "in.onnx", external_model("weights", std::to_string(offset)));
    put_file(folder / "weights", data_file(offset));
    const auto tensors = read_everything(*open_checkpoint(folder / "in.onnx"));
    ASSERT_EQ(tensors.size(), 3U);
    EXPECT_EQ(tensors[0].values, raw<float>({1, 2}));
    EXPECT_EQ(tensors[1].values, raw<float>({1, 2}));
    EXPECT_EQ(tensors[2].values, raw<float>({3}));
    copy_unchanged(folder / "in.onnx", folder / "out.onnx");
    EXPECT_EQ(file_content(folder / "out.onnx"),
              external_model("out.onnx.data", std::to_string(offset)).SerializeAsString());
    EXPECT_EQ(file_content(folder / "out.onnx.data"), data_file(offset));
    // Of the names that it has already, everything stays.
    fs::create_directory(folder / "sub");
    copy_unchanged(folder / "out.onnx", folder / "sub/out.onnx");
    EXPECT_EQ(file_content(folder / "sub/out.onnx"), file_content(folder / "out.onnx"));
    EXPECT_EQ(file_content(folder / "sub/out.onnx.data"), data_file(offset));
  }
}

TEST(OnnxExternal, TensorsThatAreNotWrittenAreCopied) {
  const TempFolder folder;
  put_model(folder / "in.onnx", external_model("weights", "8"));
  put_file(folder / "weights", data_file(8));
  const auto reader = open_checkpoint(folder / "in.onnx");
  const auto writer = create_checkpoint_like(
      *reader, {CheckpointFormat::kOnnx, folder / "out.onnx"}, Overwrite::kNo);
  writer->add(reader->tensors()[2]);
  writer->write(as_byte_span(raw<float>({9})));
  writer->finish();
  const auto tensors = read_everything(*open_checkpoint(folder / "out.onnx"));
  EXPECT_EQ(tensors[0].values, raw<float>({1, 2}));
  EXPECT_EQ(tensors[2].values, raw<float>({9}));
  EXPECT_EQ(file_content(folder / "weights"), data_file(8));
}

TEST(OnnxExternal, SeveralFilesBecomeOne) {
  const TempFolder folder;
  auto model = external_model("weights", "4");
  auto& entry = *model.mutable_graph()->mutable_initializer(2)->mutable_external_data(0);
  entry.set_value("sub/./more");
  auto& checksum = *model.mutable_graph()->mutable_initializer(2)->add_external_data();
  checksum.set_key("checksum");
  checksum.set_value("0123");
  put_model(folder / "in.onnx", model);
  put_file(folder / "weights", raw<float>({1, 2}));
  fs::create_directory(folder / "sub");
  put_file(folder / "sub/more", raw<float>({0, 3}));
  copy_unchanged(folder / "in.onnx", folder / "out.onnx");
  EXPECT_EQ(file_content(folder / "out.onnx"),
            external_model("out.onnx.data", "8").SerializeAsString());
  EXPECT_EQ(file_content(folder / "out.onnx.data"), raw<float>({1, 2, 3}));
}

// snapshots/model.onnx and its data are links into blobs, as Hugging Face's cache has them.
TEST(OnnxExternal, IsFoundBesideALinkedModel) {
  const TempFolder folder;
  for (const char* name : {"blobs", "snapshots", "elsewhere"}) {
    fs::create_directory(folder / name);
  }
  put_model(folder / "blobs/digest1", external_model("weights", "8"));
  put_file(folder / "blobs/digest2", data_file(8));
  fs::create_symlink("../blobs/digest1", folder / "snapshots/model.onnx");
  fs::create_symlink("../blobs/digest2", folder / "snapshots/weights");
  const auto tensors = read_everything(*open_checkpoint(folder / "snapshots/model.onnx"));
  EXPECT_EQ(tensors[2].values, raw<float>({3}));
  copy_unchanged(folder / "snapshots/model.onnx", folder / "elsewhere/out.onnx");
  EXPECT_EQ(file_content(folder / "elsewhere/out.onnx.data"), data_file(8));

  // A link to a model whose data lies beside it under its own name.
  put_file(folder / "blobs/weights", data_file(8));
  fs::create_symlink("../blobs/digest1", folder / "elsewhere/model.onnx");
  EXPECT_EQ(read_everything(*open_checkpoint(folder / "elsewhere/model.onnx")).size(), 3U);

  // Links to anywhere else stay refused, and so do links beside a model that is none.
  put_file(folder / "secret", data_file(8));
  fs::remove(folder / "snapshots/weights");
  fs::create_symlink("../secret", folder / "snapshots/weights");
  expect_error(ErrorCategory::kUnsupported, "symbolic link",
               [&] { open_checkpoint(folder / "snapshots/model.onnx"); });
  fs::remove(folder / "blobs/weights");
  fs::create_symlink("digest2", folder / "blobs/weights");
  expect_error(ErrorCategory::kUnsupported, "symbolic link",
               [&] { open_checkpoint(folder / "blobs/digest1"); });
}

void expect_refused(const TempFolder& folder, ErrorCategory category, const std::string& part,
                    const Entries& entries) {
  SCOPED_TRACE(part);
  auto model = empty_model();
  auto& tensor = *model.mutable_graph()->add_initializer();
  tensor = counting_tensor("w", {2});
  set_external(tensor, entries);
  put_model(folder / "in.onnx", model);
  expect_error(category, part, [&] { open_checkpoint(folder / "in.onnx"); });
}

TEST(OnnxExternal, HostileNamesAreRefused) {
  const TempFolder folder;
  fs::create_directory(folder / "outside");
  put_file(folder / "outside/secret", std::string(8, 's'));
  fs::create_directory(folder / "model");
  put_file(folder / "weights", std::string(8, 'w'));
  fs::create_symlink(folder / "weights", folder / "link");
  fs::create_directory_symlink(folder / "outside", folder / "linked");
  fs::create_symlink(folder / "nothing", folder / "dangling");
  const std::string absolute = (folder / "weights").string();
  const auto unsupported = ErrorCategory::kUnsupported;
  for (const std::string& location :
       {std::string("../weights"), std::string("outside/../weights"), std::string(".."), absolute,
        std::string("/etc/passwd"), std::string("weights/"), std::string("//weights")}) {
    expect_refused(folder, unsupported, "not a path within the model's directory",
                   {{"location", location}});
  }
  for (const char* const location : {"link", "linked/secret", "dangling"}) {
    expect_refused(folder, unsupported, "symbolic link", {{"location", location}});
  }
  expect_refused(folder, unsupported, "no name of a file", {{"location", ""}});
  expect_refused(folder, unsupported, "no name of a file",
                 {{"location", std::string("weights\0x", 9)}});
  expect_refused(folder, unsupported, "no regular file", {{"location", "outside"}});
  expect_refused(folder, ErrorCategory::kNotFound, "which is missing", {{"location", "absent"}});
  expect_refused(folder, unsupported, "no name of a file", {{"offset", "0"}});
}

TEST(OnnxExternal, HostilePlacesAreRefused) {
  const TempFolder folder;
  put_file(folder / "weights", std::string(16, 'w'));
  const auto corrupt = ErrorCategory::kCorrupt;
  const auto with = [](const char* key, const char* value) {
    return Entries{{"location", "weights"}, {key, value}};
  };
  expect_refused(folder, corrupt, "which has only 16", with("offset", "9"));
  expect_refused(folder, corrupt, "which has only 16", with("offset", "18446744073709551615"));
  expect_refused(folder, corrupt, "no number of bytes", with("offset", "-1"));
  expect_refused(folder, corrupt, "no number of bytes", with("offset", "99999999999999999999"));
  expect_refused(folder, corrupt, "no number of bytes", with("length", ""));
  expect_refused(folder, corrupt, "demand 8 bytes", with("length", "7"));
  put_model(folder / "in.onnx", external_model("weights", "7"));
  expect_error(corrupt, "in the place of those of tensor 'a'",
               [&] { open_checkpoint(folder / "in.onnx"); });
}

TEST(OnnxExternal, FilesOfTheSourceAreNotReplaced) {
  const TempFolder folder;
  put_model(folder / "in.onnx", external_model("out.onnx.data", "8"));
  put_file(folder / "out.onnx.data", data_file(8));
  const auto refuse = [&](const char* name) {
    expect_error(ErrorCategory::kUsage, "has values of the model",
                 [&] { copy_unchanged(folder / "in.onnx", folder / name); });
  };
  refuse("out.onnx");
  refuse("out.onnx.data");
  EXPECT_EQ(file_content(folder / "out.onnx.data"), data_file(8));
  // In the place of the whole source.
  put_model(folder / "out.onnx", external_model("out.onnx.data", "8"));
  rewrite(folder / "out.onnx", folder / "out.onnx", 100, [](const std::string& name, auto& values) {
    if (name == "b") values = raw<float>({5});
  });
  EXPECT_EQ(file_content(folder / "out.onnx.data"), raw<float>({1, 2, 5}));
}

}  // namespace
}  // namespace narrow
