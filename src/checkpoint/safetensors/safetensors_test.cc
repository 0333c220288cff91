#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <thread>

#include "checkpoint/container/formats.h"
#include "checkpoint/memory_file.h"
#include "checkpoint/safetensors/safetensors_header.h"
#include "checkpoint/testing/flat_checkpoint.h"

namespace narrow {
namespace {

CheckpointLocation at(const std::filesystem::path& path) {
  return {CheckpointFormat::kSafetensors, path};
}

// A file of this header and this many bytes of data.
std::string make_file(const std::string& json, std::size_t data_bytes) {
  std::string file(8, '\0');
  store_le(file.data(), std::uint64_t{json.size()});
  return file + json + std::string(data_bytes, 'x');
}

void expect_refused(ErrorCategory category, const std::string& part, const std::string& content) {
  const MemoryFile file(as_byte_span(content));
  expect_error(category, part, [&] { open_safetensors(at(file.path())); });
}

void expect_corrupt(const std::string& part, const std::string& json, std::size_t data_bytes) {
  SCOPED_TRACE(json.substr(0, 200));
  expect_refused(ErrorCategory::kCorrupt, part, make_file(json, data_bytes));
}

TEST(Safetensors, ReadsWhatTheReferenceWrote) {
  for (const std::string name : {"types.safetensors", "small.safetensors"}) {
    const auto reader = open_safetensors(at(golden_path("safetensors/" + name)));
    const auto expected = expected_tensors("safetensors/" + name);
    EXPECT_EQ(read_everything(*reader), expected);
    EXPECT_EQ(read_everything(*reader, 1), expected);
  }
  const auto reader = open_safetensors(at(golden_path("safetensors/types.safetensors")));
  const std::map<std::string, std::string> metadata = {{"format", "np"}, {"größe", "\"quoted\"\n"}};
  EXPECT_EQ(reader->metadata(), metadata);
}

TEST(Safetensors, ReadsBackWhatItWrote) {
  const TempFolder folder;
  const auto tensors = expected_tensors("safetensors/types.safetensors");
  const std::map<std::string, std::string> metadata = {{"a", "1"}, {"b\"", "x\\"}};
  for (const std::size_t piece_bytes : {std::size_t{1}, std::size_t{7}, std::size_t{1} << 20}) {
    auto writer = create_safetensors(at(folder / "out"), Overwrite::kYes);
    writer->set_metadata(metadata);
    write_everything(writer.get(), tensors, piece_bytes);
    const auto reader = open_safetensors(at(folder / "out"));
    EXPECT_EQ(read_everything(*reader), tensors);
    EXPECT_EQ(reader->metadata(), metadata);
  }
  const std::string content = file_content(folder / "out");
  EXPECT_EQ(load_le<std::uint64_t>(content.data()) % 8, 0U);
}

TEST(Safetensors, WritesNoTensorsAtAll) {
  const TempFolder folder;
  create_safetensors(at(folder / "new/out"), Overwrite::kNo)->finish();
  EXPECT_EQ(file_content(folder / "new/out"), make_file("{}      ", 0));
  EXPECT_TRUE(open_safetensors(at(folder / "new/out"))->tensors().empty());
}

RC_GTEST_PROP(Safetensors, AnyNamesAndShapesComeBack, ()) {
  const TempFolder folder;
  std::vector<FullTensor> tensors;
  const auto count = *rc::gen::inRange(0, 6);
  for (int i = 0; i < count; ++i) {
    FullTensor tensor;
    const auto code = *rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127));
    tensor.info.name = code + std::to_string(i);
    tensor.info.dtype = *rc::gen::element(DType::kInt8, DType::kBFloat16, DType::kFloat64);
    tensor.info.shape = *rc::gen::container<Shape>(3, rc::gen::inRange<std::int64_t>(0, 4));
    tensor.values.resize(tensor.info.byte_size(), static_cast<char>('a' + i));
    tensors.push_back(tensor);
  }
  auto writer = create_safetensors(at(folder / "out"), Overwrite::kNo);
  write_everything(writer.get(), tensors, 5);
  RC_ASSERT(read_everything(*open_safetensors(at(folder / "out"))) == tensors);
}

TEST(Safetensors, RefusesHostileLengths) {
  expect_refused(ErrorCategory::kCorrupt, "", "");
  expect_refused(ErrorCategory::kCorrupt, "", "1234567");
  expect_refused(ErrorCategory::kCorrupt, "announces a header of 18446744073709551615",
                 std::string(8, '\xff') + "{}");
  expect_refused(ErrorCategory::kCorrupt, "announces", std::string("\3\0\0\0\0\0\0\0{}", 10));
  expect_refused(ErrorCategory::kCorrupt, "does not begin", std::string(8, '\0'));
  expect_refused(ErrorCategory::kCorrupt, "does not begin", make_file(" {}", 0));
  // More than the limit of the reference, although the file has it.
  const TempFolder folder;
  std::string prefix(8, '\0');
  store_le(prefix.data(), kMaxSafetensorsHeaderBytes + 1);
  put_file(folder / "long", prefix + "{");
  std::filesystem::resize_file(folder / "long", 8 + kMaxSafetensorsHeaderBytes + 1);
  expect_error(ErrorCategory::kCorrupt, "at most 100000000",
               [&] { open_safetensors(at(folder / "long")); });
}

TEST(Safetensors, RefusesWrongPlaces) {
  const auto entry = [](const std::string& name, const std::string& rest) {
    return "\"" + name + R"(":{"dtype":"U8","shape":)" + rest + "}";
  };
  expect_corrupt("gap or an overlap", "{" + entry("a", R"([2],"data_offsets":[1,3])") + "}", 3);
  expect_corrupt("gap or an overlap",
                 "{" + entry("a", R"([2],"data_offsets":[0,2])") + "," +
                     entry("b", R"([2],"data_offsets":[1,3])") + "}",
                 3);
  expect_corrupt("not between", "{" + entry("a", R"([4],"data_offsets":[0,4])") + "}", 3);
  expect_corrupt("not between",
                 "{" + entry("b", R"([1],"data_offsets":[0,1])") + "," +
                     entry("a", R"([0],"data_offsets":[1,0])") + "}",
                 1);
  expect_corrupt("describes 2 bytes of data, but the file has 3",
                 "{" + entry("a", R"([2],"data_offsets":[0,2])") + "}", 3);
  expect_corrupt("needs 3", "{" + entry("a", R"([3],"data_offsets":[0,2])") + "}", 2);
  expect_corrupt("not between",
                 "{" + entry("a", R"([2],"data_offsets":[0,18446744073709551615])") + "}", 2);
  expect_corrupt("is wrong for tensor a",
                 "{" + entry("a", R"([4294967296,4294967296],"data_offsets":[0,0])") + "}", 0);
  expect_corrupt("too large number",
                 "{" + entry("a", R"([18446744073709551615],"data_offsets":[0,0])") + "}", 0);
}

TEST(Safetensors, RefusesHeadersOfAnotherForm) {
  expect_corrupt("not valid JSON", "{", 0);
  expect_corrupt("not valid JSON", "{} {}", 0);
  expect_corrupt("not valid JSON", std::string("{\"\xff\":1}"), 0);
  expect_corrupt("the number 1 for a instead of an object", R"({"a":1})", 0);
  expect_corrupt("a list for a instead of an object", R"({"a":[]})", 0);
  expect_corrupt("twice in __metadata__", R"({"__metadata__":{"k":"1","k":"2"}})", 0);
  expect_corrupt("instead of a text", R"({"__metadata__":{"k":1}})", 0);
  expect_corrupt("lists a twice",
                 R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
                 R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                 0);
  expect_corrupt("shape twice",
                 R"({"a":{"dtype":"U8","shape":[0],"shape":[0],"data_offsets":[0,0]}})", 0);
  expect_corrupt("lacks dtype", R"({"a":{"shape":[0],"data_offsets":[0,0]}})", 0);
  expect_corrupt("1 data_offsets", R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0]}})", 0);
  expect_corrupt("third number", R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,0,0]}})", 0);
  expect_corrupt("negative", R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}})", 0);
  expect_corrupt("the number 1.0", R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", 1);
  expect_corrupt("a list", R"({"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})", 1);
  expect_corrupt("for dtype of tensor a", R"({"a":{"dtype":8,"shape":[],"data_offsets":[0,1]}})",
                 1);
  expect_corrupt("a list", "{\"a\":" + std::string(5'000'000, '['), 0);
  std::string deep;
  for (int i = 0; i < 500'000; ++i) deep += "{\"shape\":";
  expect_corrupt("an object", deep, 0);
  std::string ones = "1";
  for (int i = 0; i < 254; ++i) ones += ",1";
  expect_refused(
      ErrorCategory::kUnsupported, "more than 254 dimensions",
      make_file(R"({"a":{"dtype":"U8","data_offsets":[0,1],"shape":[)" + ones + "]}}", 1));
  expect_corrupt(
      "aaa... at data byte 1",
      "{\"" + std::string(1'000'000, 'a') + R"(":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
      2);
  expect_corrupt("gives tensor a the type '', which cannot be one",
                 R"({"a":{"dtype":"","shape":[2],"data_offsets":[0,1]}})", 1);
  expect_corrupt("aaa...', which cannot be one",
                 R"({"a":{"dtype":")" + std::string(1000, 'a') + R"(","shape":[]}})", 1);
  expect_refused(ErrorCategory::kUnsupported, "has strides for tensor a",
                 make_file(R"({"a":{"strides":[1]}})", 1));
}

TEST(Safetensors, ListsAndCopiesTypesItDoesNotComputeWith) {
  struct ForeignCase {
    std::string type;
    std::int64_t elements;
    std::uint64_t bytes;
  };
  const TempFolder folder;
  for (const auto& [type, elements, bytes] : {ForeignCase{"F4", 6, 3},
                                              {"F4", 5, 3},
                                              {"F6_E2M3", 8, 6},
                                              {"F6_E3M2", 4, 3},
                                              {"F8_E8M0", 3, 3},
                                              {"F8_E4M3FNUZ", 2, 2},
                                              {"F8_E5M2FNUZ", 2, 2},
                                              {"NEW\"7", 100, 7}}) {
    SCOPED_TRACE(type);
    const TensorInfo info{
        "a", DType::kOpaque, {elements}, {OpaqueType::Family::kSafetensors, type, bytes, false}};
    const FullTensor foreign{info, std::string(bytes, '\x81')};
    const FullTensor plain{{"b", DType::kFloat32, {1}}, "1234"};
    auto writer = create_safetensors(at(folder / "out"), Overwrite::kYes);
    write_everything(writer.get(), {foreign, plain}, 2);
    EXPECT_EQ(read_everything(*open_safetensors(at(folder / "out")), 1),
              (std::vector<FullTensor>{foreign, plain}));
  }
  expect_corrupt("F4 [6] needs 3", R"({"a":{"dtype":"F4","shape":[6],"data_offsets":[0,2]}})", 2);
  expect_corrupt("is wrong for tensor a",
                 R"({"a":{"dtype":"X","shape":[4294967296,4294967296],"data_offsets":[0,2]}})", 2);
  auto writer = create_safetensors(at(folder / "other"), Overwrite::kNo);
  expect_error(ErrorCategory::kUnsupported, "TensorFlow's variant; tf", [&] {
    writer->add({"v", DType::kOpaque, {}, {OpaqueType::Family::kTensorFlow, "variant", 9, false}});
  });
}

TEST(Safetensors, RefusesEveryTruncation) {
  const std::string content = file_content(golden_path("safetensors/small.safetensors"));
  for (std::size_t size = 0; size < content.size(); ++size) {
    expect_refused(ErrorCategory::kCorrupt, "", content.substr(0, size));
  }
}

// The format has no checksum: a flipped bit gives an error or other values, and never more.
TEST(Safetensors, SurvivesEveryFlippedBit) {
  const std::string content = file_content(golden_path("safetensors/small.safetensors"));
  const std::size_t header_bytes = 8 + load_le<std::uint64_t>(content.data());
  for (std::size_t bit = 0; bit < content.size() * 8; ++bit) {
    std::string flipped = content;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const MemoryFile file(as_byte_span(flipped));
    try {
      const auto tensors = read_everything(*open_safetensors(at(file.path())));
      std::size_t bytes = 0;
      for (const FullTensor& tensor : tensors) bytes += tensor.values.size();
      EXPECT_EQ(bytes, content.size() - header_bytes) << "bit " << bit;
    } catch (const Error&) {
    }
  }
}

TEST(Safetensors, StreamsEndAndMayBeReadTogether) {
  const auto reader = open_safetensors(at(golden_path("safetensors/types.safetensors")));
  const auto expected = expected_tensors("safetensors/types.safetensors");
  const auto stream = reader->open(0);
  std::vector<std::byte> out(expected[0].values.size() + 1);
  expect_error(ErrorCategory::kUsage, "asked for", [&] { stream->read(out); });
  std::vector<std::thread> threads;
  std::vector<std::vector<FullTensor>> found(4);
  for (auto& tensors : found) {
    threads.emplace_back([&] { tensors = read_everything(*reader, 3); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& tensors : found) EXPECT_EQ(tensors, expected);
}

TEST(Safetensors, WriterInsistsOnItsOrder) {
  const TempFolder folder;
  const TensorInfo info{"a", DType::kUInt8, {2}};
  const std::vector<std::byte> two(2);
  auto writer = create_safetensors(at(folder / "out"), Overwrite::kNo);
  writer->add(info);
  expect_error(ErrorCategory::kUsage, "twice", [&] { writer->add(info); });
  expect_error(ErrorCategory::kUsage, "0 of its 2", [&] { writer->finish(); });
  writer->write(std::span(two).first(1));
  expect_error(ErrorCategory::kUsage, "lacks only 1", [&] { writer->write(two); });
  writer->write(std::span(two).first(1));
  expect_error(ErrorCategory::kUsage, "after the last", [&] { writer->write(two); });
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
  writer.reset();
  EXPECT_TRUE(std::filesystem::is_empty(folder / ""));

  writer = create_safetensors(at(folder / "out"), Overwrite::kNo);
  expect_error(ErrorCategory::kUnsupported, "string", [&] {
    writer->add({"s", DType::kString, {1}});
  });
  expect_error(ErrorCategory::kUnsupported, "qint8", [&] {
    writer->add({"s", DType::kQInt8, {1}});
  });
  expect_error(ErrorCategory::kUnsupported, "__metadata__", [&] {
    writer->add({"__metadata__", DType::kInt8, {1}});
  });
  expect_error(ErrorCategory::kUnsupported, "UTF-8", [&] {
    writer->add({"\xff", DType::kInt8, {0}});
  });
  writer.reset();
  expect_error(ErrorCategory::kUsage, "is a directory",
               [&] { create_safetensors(at(folder / ""), Overwrite::kYes); });
  std::filesystem::create_directory(folder / "sub");
  expect_error(ErrorCategory::kUsage, "is a directory",
               [&] { create_safetensors(at(folder / "sub"), Overwrite::kYes); });
  put_file(folder / "out", "old");
  expect_error(ErrorCategory::kExists, "out",
               [&] { create_safetensors(at(folder / "out"), Overwrite::kNo); });
}

}  // namespace
}  // namespace narrow
