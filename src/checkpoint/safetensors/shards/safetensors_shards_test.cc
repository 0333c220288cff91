#include <gtest/gtest.h>
#include <sys/stat.h>

#include "checkpoint/container/formats.h"
#include "checkpoint/safetensors/shards/shard_index.h"
#include "checkpoint/safetensors/shards/shard_layout.h"
#include "checkpoint/testing/flat_checkpoint.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

constexpr const char* kIndexName = "model.safetensors.index.json";

CheckpointLocation at(const fs::path& path) { return {CheckpointFormat::kSafetensorsShards, path}; }

FullTensor tensor(const std::string& name, std::size_t bytes) {
  return {{name, DType::kInt8, {static_cast<std::int64_t>(bytes)}}, std::string(bytes, name[0])};
}

void write_file(const fs::path& path, const std::vector<FullTensor>& tensors) {
  auto writer = create_safetensors({CheckpointFormat::kSafetensors, path}, Overwrite::kYes);
  writer->set_metadata({{"format", "pt"}});
  write_everything(writer.get(), tensors);
}

// "b" and "e" in 1.safetensors, "a" and an empty "z" in 2.safetensors, as transformers writes it.
constexpr const char* kIndex = R"({
  "metadata": {
    "total_parameters": 12,
    "total_size": 12
  },
  "weight_map": {
    "a": "2.safetensors",
    "b": "1.safetensors",
    "e": "1.safetensors",
    "z": "2.safetensors"
  }
}
)";

class Shards : public testing::Test {
 protected:
  Shards() {
    write_file(folder_ / "1.safetensors", {tensor("b", 3), tensor("e", 4)});
    write_file(folder_ / "2.safetensors", {tensor("a", 5), tensor("z", 0)});
    put_file(folder_ / kIndexName, kIndex);
    put_file(folder_ / "config.json", "{}");
  }
  void expect_refused(ErrorCategory category, const std::string& part, const std::string& index) {
    SCOPED_TRACE(index.substr(0, 200));
    put_file(folder_ / kIndexName, index);
    expect_error(category, part, [&] { open_safetensors_shards(at(folder_ / kIndexName)); });
  }

  TempFolder folder_;
};

TEST_F(Shards, AreOneCheckpointByTheirIndexOrDirectory) {
  for (const fs::path& path : {folder_ / kIndexName, folder_ / "", folder_ / "."}) {
    const auto reader = open_checkpoint(path);
    EXPECT_EQ(reader->location().format, CheckpointFormat::kSafetensorsShards);
    EXPECT_EQ(reader->location().path.filename(), kIndexName);
    const std::vector<FullTensor> expected = {tensor("b", 3), tensor("e", 4), tensor("a", 5),
                                              tensor("z", 0)};
    EXPECT_EQ(read_everything(*reader), expected);
    EXPECT_EQ(read_everything(*reader, 1), expected);
    EXPECT_EQ(reader->metadata().at("format"), "pt");
  }
  put_file(folder_ / "other.safetensors.index.json", kIndex);
  expect_error(ErrorCategory::kNotFound, "name one of", [&] { open_checkpoint(folder_ / ""); });
}

// Hugging Face's cache has links in place of files.
TEST_F(Shards, MayBeLinksToElsewhere) {
  const TempFolder blobs;
  fs::rename(folder_ / "1.safetensors", blobs / "blob");
  fs::create_symlink(blobs / "blob", folder_ / "1.safetensors");
  EXPECT_EQ(open_checkpoint(folder_ / "")->tensors().size(), 4U);
}

TEST_F(Shards, AVariantHasTheSameFilesAndLeavesTheOthersAlone) {
  const TempFolder target;
  put_file(target / "config.json", "mine");
  const auto reader = open_checkpoint(folder_ / "");
  auto writer = create_checkpoint_like(*reader, at(target / kIndexName), Overwrite::kNo);
  writer->set_metadata(reader->metadata());
  write_everything(writer.get(), read_everything(*reader), 2);
  for (const std::string name : {"1.safetensors", "2.safetensors", kIndexName}) {
    EXPECT_EQ(file_content(target / name), file_content(folder_ / name)) << name;
  }
  EXPECT_EQ(file_content(target / "config.json"), "mine");
  expect_error(ErrorCategory::kExists, kIndexName,
               [&] { create_checkpoint_like(*reader, at(target / kIndexName), Overwrite::kNo); });
  auto part = create_checkpoint_like(*reader, at(target / kIndexName), Overwrite::kYes);
  write_everything(part.get(), {tensor("a", 5)});
  EXPECT_EQ(parse_shard_index(file_content(target / kIndexName), "x").files,
            std::vector<std::string>{"2.safetensors"});
}

TEST_F(Shards, NothingOfTheInputIsReplaced) {
  const auto reader = open_checkpoint(folder_ / "");
  const std::string before = file_content(folder_ / "1.safetensors");
  auto writer =
      create_checkpoint_like(*reader, at(folder_ / "b.safetensors.index.json"), Overwrite::kYes);
  expect_error(ErrorCategory::kUsage, "file of the input",
               [&] { write_everything(writer.get(), read_everything(*reader)); });
  EXPECT_EQ(file_content(folder_ / "1.safetensors"), before);
  EXPECT_FALSE(fs::exists(folder_ / "b.safetensors.index.json"));
}

TEST_F(Shards, NothingAppearsWithoutFinish) {
  const TempFolder target;
  {
    const auto writer = create_safetensors_shards(at(target / kIndexName), Overwrite::kNo);
    writer->add(tensor("a", 5).info);
    writer->write(as_byte_span(std::string_view("aaa")));
    expect_error(ErrorCategory::kUsage, "3 of its 5 bytes", [&] { writer->finish(); });
  }
  EXPECT_TRUE(fs::is_empty(target / ""));
  expect_error(ErrorCategory::kUsage, "has to end in", [&] {
    create_safetensors_shards(at(target / "model.safetensors"), Overwrite::kNo);
  });
}

TEST_F(Shards, OthersGetFilesOfTheirOwn) {
  const TempFolder target;
  auto writer = create_safetensors_shards(at(target / kIndexName), Overwrite::kNo);
  write_everything(writer.get(), {tensor("x", 3), tensor("y", 0)});
  EXPECT_EQ(open_checkpoint(target / "")->tensors().size(), 2U);
  EXPECT_TRUE(fs::exists(target / "model-00001-of-00001.safetensors"));
  create_safetensors_shards(at(target / "none/n.safetensors.index.json"), Overwrite::kNo)->finish();
  EXPECT_EQ(file_content(target / "none/n.safetensors.index.json"),
            "{\n  \"metadata\": {\n    \"total_size\": 0\n  },\n  \"weight_map\": {}\n}\n");
}

TEST(ShardLayout, FilesHaveAtMostFiveGigabytes) {
  std::vector<TensorInfo> tensors;
  for (const std::int64_t gigabytes : {3, 2, 1, 7, 1, 0}) {
    tensors.push_back({std::to_string(tensors.size()), DType::kInt8, {gigabytes, 1'000'000'000}});
  }
  const ShardLayout layout = new_shard_layout("m", tensors);
  EXPECT_EQ(layout.file_of, (std::vector<std::size_t>{0, 0, 1, 2, 3, 3}));
  EXPECT_EQ(layout.files.back(), "m-00004-of-00004.safetensors");
}

TEST_F(Shards, DisagreeingFilesAreRefused) {
  const auto corrupt = ErrorCategory::kCorrupt;
  expect_refused(corrupt, "does not name", R"({"weight_map": {"b": "1.safetensors"}})");
  expect_refused(corrupt, "looks for tensor q",
                 R"({"weight_map": {"b": "1.safetensors", "e": "1.safetensors",
                     "q": "1.safetensors"}})");
  expect_refused(corrupt, "looks for in 2.safetensors",
                 R"({"weight_map": {"b": "1.safetensors", "e": "2.safetensors",
                     "a": "2.safetensors"}})");
  expect_refused(ErrorCategory::kNotFound, "is not there",
                 R"({"weight_map": {"b": "3.safetensors"}})");
  ::mkfifo((folder_ / "pipe").c_str(), 0600);
  expect_refused(ErrorCategory::kUnsupported, "is a pipe", R"({"weight_map": {"b": "pipe"}})");
  fs::create_directory(folder_ / "d");
  expect_refused(ErrorCategory::kUnsupported, "is a directory", R"({"weight_map": {"b": "d"}})");
}

TEST_F(Shards, NamesThatLeaveTheDirectoryAreRefused) {
  for (const std::string name :
       {"../1.safetensors", "/etc/passwd", "a/b", ".", "..", "", "x\\u0000"}) {
    expect_refused(ErrorCategory::kCorrupt, "lets tensor b lie in",
                   R"({"weight_map": {"b": ")" + name + "\"}}");
  }
}

TEST(ShardIndex, WrongJsonIsRefused) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"", "not valid JSON"},
      {"[]", "not a JSON object"},
      {"3", "not a JSON object"},
      {"{}", "no weight_map"},
      {R"({"weight_map": {"a": "x"})", "not valid JSON"},
      {R"({"weight_map": []})", "no object"},
      {R"({"weight_map": 3})", "no object"},
      {R"({"weight_map": {"a": 3}})", "names no file for tensor a"},
      {R"({"weight_map": {"a": {}}})", "names no file for tensor a"},
      {R"({"weight_map": {"a": []}})", "names no file for tensor a"},
      {R"({"weight_map": {"a": "x", "a": "x"}})", "lists a twice"},
      {R"({"weight_map": {}, "weight_map": {}})", "weight_map twice"},
      {std::string(100'000, '['), "not a JSON object"},
  };
  for (const auto& one : wrong) {
    SCOPED_TRACE(one.first.substr(0, 100));
    expect_error(ErrorCategory::kCorrupt, one.second, [&] { parse_shard_index(one.first, "x"); });
  }
}

TEST(ShardIndex, WhatItDoesNotKnowIsLeftAside) {
  const ShardIndex index = parse_shard_index(
      R"({"x": [[1, {"weight_map": 3}]], "weight_map": {"a": "f", "\u00e4": "e"}, "metadata":
          {"total_size": 1.5, "n": -3, "t": "\"", "l": [1], "o": {"p": 1}, "b": true}})",
      "x");
  EXPECT_EQ(index.files, (std::vector<std::string>{"e", "f"}));
  EXPECT_EQ(index.file_of, (std::map<std::string, std::size_t>{{"a", 1}, {"ä", 0}}));
  EXPECT_EQ(index.members,
            (std::map<std::string, std::string>{{"n", "-3"}, {"t", R"("\"")"}, {"b", "true"}}));
  const ShardIndex again = parse_shard_index(build_shard_index(index, 7), "x");
  EXPECT_EQ(again.file_of, index.file_of);
  EXPECT_EQ(again.members, index.members);
}

}  // namespace
}  // namespace narrow
