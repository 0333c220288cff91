#include <gtest/gtest.h>

#include <thread>

#include "checkpoint/container/formats.h"
#include "checkpoint/memory_file.h"
#include "checkpoint/npz/zip/zip_directory.h"
#include "checkpoint/npz/zip/zip_writer.h"
#include "checkpoint/testing/flat_checkpoint.h"

namespace narrow {
namespace {

using namespace std::string_literals;

CheckpointLocation at(const std::filesystem::path& path) {
  return {CheckpointFormat::kPyTorch, path};
}

std::vector<FullTensor> read_file(const std::filesystem::path& path) {
  return read_everything(*open_pytorch(at(path)));
}

class PytorchGolden : public testing::TestWithParam<std::string> {};

TEST_P(PytorchGolden, HoldsWhatTorchPutIn) {
  const auto path = golden_path("pytorch/" + GetParam() + ".pt");
  EXPECT_TRUE(looks_like_pytorch(InputFile(path)));
  EXPECT_FALSE(looks_like_npz(InputFile(path)));
  EXPECT_EQ(locate_checkpoint(path).format, CheckpointFormat::kPyTorch);
  const auto reader = open_pytorch(at(path));
  const auto expected = expected_tensors("pytorch/" + GetParam() + ".pt");
  for (const std::size_t piece_bytes : {0, 1, 5, 64}) {
    EXPECT_EQ(read_everything(*reader, piece_bytes), expected) << piece_bytes;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, PytorchGolden,
                         testing::Values("types", "stream_types", "views", "stream_views",
                                         "protocol5", "stream_protocol4", "training", "module",
                                         "lone"),
                         [](const auto& file) { return file.param; });

TEST(Pytorch, ListsWhatItCannotComputeWith) {
  const auto tensors = read_file(golden_path("pytorch/quantized.pt"));
  ASSERT_EQ(tensors.size(), 3U);
  const OpaqueType codes{OpaqueType::Family::kPyTorch, "quint8", 4, false};
  EXPECT_EQ(tensors[0].info.opaque, codes);
  EXPECT_EQ(tensors[0].info.shape, Shape{4});
  EXPECT_EQ(tensors[0].values, "\2\4\6\10");
  EXPECT_EQ(tensors[1].info.type_name(), "torch._utils._rebuild_sparse_tensor");
  EXPECT_EQ(tensors[1].values, "");
  EXPECT_EQ(tensors[2].info, (TensorInfo{"plain", DType::kFloat32, {2}}));
  const TempFolder folder;
  auto writer = create_pytorch(at(folder / "out.pt"), Overwrite::kNo);
  for (const std::size_t i : {0, 1}) {
    expect_error(ErrorCategory::kUnsupported, "cannot be written",
                 [&] { writer->add(tensors[i].info); });
  }
}

TEST(Pytorch, WritesWhatItReads) {
  const TempFolder folder;
  auto tensors = expected_tensors("pytorch/types.pt");
  tensors.push_back({{"f8", DType::kFloat8E4M3, {2, 2}}, "abcd"});
  tensors.push_back({{"f8.range", DType::kFloat8E5M2, {1}}, "e"});
  tensors.push_back({{"words", DType::kUInt64, {1}}, "12345678"});
  tensors.push_back({{"shorts", DType::kUInt16, {}}, "12"});
  TensorInfo half{"half", DType::kOpaque, {2}};
  half.opaque = {OpaqueType::Family::kPyTorch, "complex32", 8, false};
  tensors.push_back({half, "abcdefgh"});
  tensors.push_back({{"long", DType::kInt8, {300, 70}}, std::string(300 * 70, 'x')});
  auto writer = create_pytorch(at(folder / "out.pt"), Overwrite::kNo);
  write_everything(writer.get(), tensors, 5);
  EXPECT_EQ(read_file(folder / "out.pt"), tensors);
  for (const ZipMember& member : read_zip_directory(InputFile(folder / "out.pt"))) {
    EXPECT_EQ(member.data_offset % 64, 0U) << member.name;
    EXPECT_FALSE(member.deflated);
  }
  create_pytorch(at(folder / "empty.pt"), Overwrite::kNo)->finish();
  EXPECT_TRUE(read_file(folder / "empty.pt").empty());
}

TEST(Pytorch, WriterRefusesWhatTorchCannotHold) {
  const TempFolder folder;
  auto writer = create_pytorch(at(folder / "out.pt"), Overwrite::kNo);
  expect_error(ErrorCategory::kUnsupported, "string", [&] {
    writer->add({"s", DType::kString, {1}});
  });
  expect_error(ErrorCategory::kUnsupported, "UTF-8", [&] {
    writer->add({"\xff", DType::kInt8, {1}});
  });
  expect_error(ErrorCategory::kUnsupported, "metadata", [&] {
    writer->set_metadata({{"a", "b"}});
  });
  writer->add({"a", DType::kInt8, {1}});
  expect_error(ErrorCategory::kUsage, "twice", [&] { writer->add({"a", DType::kInt8, {1}}); });
  expect_error(ErrorCategory::kUsage, "0 of its 1", [&] { writer->finish(); });
  writer.reset();
  EXPECT_TRUE(std::filesystem::is_empty(folder / ""));
}

// An archive with this pickle, and a storage 0 of eight bytes.
std::string archive(const std::string& pickle, const std::string& order = "little") {
  const TempFolder folder;
  OutputFile file(folder / "a.pt");
  ZipWriter zip(file);
  for (const auto& [name, content] :
       {std::pair("a/data.pkl"s, pickle), {"a/byteorder"s, order}, {"a/data/0"s, "abcdefgh"s}}) {
    zip.begin_member(name, content.size());
    zip.write(as_byte_span(content));
  }
  zip.finish();
  return file_content(folder / "a.pt");
}

std::vector<FullTensor> read_pickled(const std::string& pickle) {
  const MemoryFile file(as_byte_span(archive(pickle)));
  return read_everything(*open_pytorch(at(file.path())));
}

void expect_refused(ErrorCategory category, const std::string& part, const std::string& pickle) {
  SCOPED_TRACE(testing::PrintToString(pickle.substr(0, 200)));
  expect_error(category, part, [&] { read_pickled(pickle); });
}

// A tensor [2] of storage 0, of which `count` floats are announced.
std::string tensor(const std::string& offset = "K\0"s, const std::string& shape = "K\2\x85",
                   const std::string& strides = "K\1\x85", const std::string& count = "K\2") {
  return "ctorch._utils\n_rebuild_tensor_v2\n((U\7storagectorch\nFloatStorage\nU\0010U\3cpu" +
         count + "tQ" + offset + shape + strides + "\x89)tR";
}

TEST(Pytorch, NamesAreThePathsOfTensors) {
  const auto name = [](const std::string& pickle) {
    const auto tensors = read_pickled("\x80\x02" + pickle);
    return tensors.size() == 1 ? tensors[0].info.name : std::to_string(tensors.size());
  };
  EXPECT_EQ(name("}U\1a]" + tensor() + "as."), "a.0");
  EXPECT_EQ(name("}J\xff\xff\xff\xff" + tensor() + "s."), "-1");
  EXPECT_EQ(name("}\x88" + tensor() + "s."), "True");
  EXPECT_EQ(name("}N" + tensor() + "s."), "#0");
  // OrderedDict as Python 2 has it.
  EXPECT_EQ(name("ccollections\nOrderedDict\n]]U\1ka" + tensor() + "aa\x85R."), "k");
  // Objects of any class by their attributes; nothing is made of the class.
  EXPECT_EQ(name("cos\nsystem\n)\x81}U\1k" + tensor() + "sb."), "k");
  EXPECT_EQ(name("cos\nsystem\nU\4echo\x85R."), "0");
  const auto twins = read_pickled("\x80\x02}(U\3a.b" + tensor() + "U\1a}U\1b" + tensor() + "su.");
  ASSERT_EQ(twins.size(), 2U);
  EXPECT_EQ(twins[1].info.name, "a.b#2");
}

TEST(Pytorch, WhatUnknownFunctionsMakeOfTensorsIsListed) {
  const auto tensors =
      read_pickled("\x80\x02}(U\1acos\nsystem\n" + tensor() + "\x85RU\1b" + tensor() + "u.");
  ASSERT_EQ(tensors.size(), 2U);
  EXPECT_EQ(tensors[0].info.type_name(), "os.system");
  EXPECT_EQ(tensors[1].values, "abcdefgh");
}

TEST(Pytorch, RefusesDamagedPickles) {
  const auto corrupt = ErrorCategory::kCorrupt;
  expect_refused(corrupt, "ends within its pickle", "");
  expect_refused(corrupt, "ends within its pickle", "\x80\x02}");
  expect_refused(corrupt, "ends within its pickle", "X\xff\xff\xff\x7f");
  expect_refused(corrupt, "ends within its pickle", "\x8d\xff\xff\xff\xff\xff\xff\xff\xff");
  expect_refused(corrupt, "byte 0 of member a/data.pkl", ".");
  expect_refused(corrupt, "more than one value", "NN.");
  expect_refused(corrupt, "is no opcode", "\x7f");
  expect_refused(corrupt, "never kept", "h\1.");
  expect_refused(corrupt, "mark that is not there", "t.");
  expect_refused(corrupt, "is not there", "(s.");
  expect_refused(corrupt, "without a value", "}(Nu.");
  expect_refused(corrupt, "cannot hold others", "NNa.");
  expect_refused(corrupt, "no text", "NN\x93.");
  expect_refused(corrupt, "has none", "NNb.");
  expect_refused(ErrorCategory::kUnsupported, "opcode INST", "(ios\nsystem\n.");
  expect_refused(ErrorCategory::kUnsupported, "unknown protocol", "\x80\x06.");
}

TEST(Pytorch, RefusesTensorsThatCannotBe) {
  const auto refuse = [](const std::string& part, const std::string& pickle) {
    expect_refused(ErrorCategory::kCorrupt, part, pickle + ".");
  };
  const std::string big = "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";
  refuse("beyond the 8 bytes", tensor("K\1"));
  refuse("beyond the 8 bytes", tensor("K\0"s, "K\2\x85", "K\2\x85"));
  refuse("beyond the 8 bytes", tensor("K\0"s, "K\2\x85", big + "\x85"));
  refuse("64 bits", tensor(big));
  refuse("64 bits", tensor("K\0"s, "K\2\x85", "K\1\x85", big));
  refuse("impossible tensor", tensor("K\0"s, big + big + "\x86", "K\0K\0\x86"s));
  refuse("impossible tensor", tensor("K\0"s, "K\2\x85", ")"));
  refuse("no shape", tensor("K\0"s, "J\xff\xff\xff\xff\x85"));
  refuse("no shape", tensor("K\0"s, "N"));
  refuse("no strides", tensor("K\0"s, "K\2\x85", "N"));
  refuse("needs a member data/0 of 12 bytes, but it has 8",
         tensor("K\0"s, "K\2\x85", "K\1\x85", "K\3"));
  refuse("lacks the offset",
         "ctorch._utils\n_rebuild_tensor_v2\n(U\7storagectorch\nFloatStorage\nU\0010U"
         "\3cpuK\2tQ\x85R");
  // A gibibyte of one element.
  expect_refused(ErrorCategory::kUnsupported, "are repeated",
                 tensor("K\0"s, "J\0\0\0\x10\x85"s, "K\0\x85"s) + ".");
}

TEST(Pytorch, RefusesTreesWithoutEnd) {
  // Twice itself, thirty times, with a long name.
  const std::string key = "X\0\0\1\0"s + std::string(1 << 16, 'n');
  std::string bomb = "}" + key + tensor();
  for (int i = 0; i < 30; ++i) bomb += "q\1h\1\x86";
  expect_refused(ErrorCategory::kUnsupported, "one of too many", bomb + "s.");
  std::string deep(300, ']');
  deep += tensor() + std::string(300, 'a') + ".";
  expect_refused(ErrorCategory::kUnsupported, "nested too deep", deep);
  // A list that holds itself is no harm.
  EXPECT_EQ(read_pickled("]q\1h\1a" + tensor() + "a.").size(), 1U);
}

TEST(Pytorch, RefusesOtherByteOrders) {
  const MemoryFile file(as_byte_span(archive("}.", "big")));
  expect_error(ErrorCategory::kUnsupported, "byte order is 'big'",
               [&] { open_pytorch(at(file.path())); });
  std::string stream = file_content(golden_path("pytorch/stream_types.pt"));
  const std::size_t place = stream.find("little_endian");
  stream[stream.find('\x88', place)] = '\x89';
  const MemoryFile old(as_byte_span(stream));
  expect_error(ErrorCategory::kUnsupported, "big-endian machine",
               [&] { open_pytorch(at(old.path())); });
}

TEST(Pytorch, RefusesEveryTruncation) {
  for (const std::string name : {"lone", "stream_views"}) {
    const std::string content = file_content(golden_path("pytorch/" + name + ".pt"));
    for (std::size_t size = 0; size < content.size(); size += 3) {
      const MemoryFile file(as_byte_span(content.substr(0, size)));
      expect_error(ErrorCategory::kCorrupt, "",
                   [&] { read_everything(*open_pytorch(at(file.path()))); });
    }
  }
}

// Parts of a storage, and all of it out of order, are as safe as all of it in order.
TEST(Pytorch, NoFlippedBitOfAnArchiveGoesUnnoticed) {
  const std::string content = file_content(golden_path("pytorch/views.pt"));
  const auto members = read_zip_directory(InputFile(golden_path("pytorch/views.pt")));
  const auto expected = expected_tensors("pytorch/views.pt");
  for (const ZipMember& member : members) {
    if (member.name.find("/data") == std::string::npos) continue;
    std::string flipped = content;
    flipped[member.data_offset] = static_cast<char>(flipped[member.data_offset] ^ 1);
    const MemoryFile file(as_byte_span(flipped));
    expect_error(ErrorCategory::kCorrupt, "checksum",
                 [&] { read_everything(*open_pytorch(at(file.path()))); });
  }
}

TEST(Pytorch, LargeTransposedTensorsComeInPieces) {
  // A float32 matrix [1500, 1200] that lies column by column, 7.2 MB, and every other column of it.
  const std::size_t rows = 1500;
  const std::size_t columns = 1200;
  std::string values(rows * columns * 4, '\0');
  for (std::size_t i = 0; i < rows * columns; ++i) {
    store_le(values.data() + 4 * i, static_cast<std::uint32_t>(i));
  }
  const std::string count = "J\x40\x77\x1b\0"s;
  const std::string shape = "M\xdc\x05M\xb0\x04\x86";
  const std::string half = "M\xdc\x05M\x58\x02\x86";
  const TempFolder folder;
  {
    OutputFile file(folder / "a.pt");
    ZipWriter zip(file);
    const std::string pickle = "](" + tensor("K\0"s, shape, "K\1M\xdc\x05\x86", count) +
                               tensor("K\0"s, half, "K\1M\xb8\x0b\x86", count) + "e.";
    for (const auto& [name, content] : {std::pair("data.pkl"s, &pickle), {"data/0"s, &values}}) {
      zip.begin_member(name, content->size());
      zip.write(as_byte_span(*content));
    }
    zip.finish();
  }
  const auto tensors = read_everything(*open_pytorch(at(folder / "a.pt")), 100'003);
  ASSERT_EQ(tensors.size(), 2U);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < rows * columns; ++i) {
    wrong += load_le<std::uint32_t>(tensors[0].values.data() + 4 * i) !=
             i % columns * rows + i / columns;
  }
  for (std::size_t i = 0; i < rows * columns / 2; ++i) {
    wrong += load_le<std::uint32_t>(tensors[1].values.data() + 4 * i) !=
             i % (columns / 2) * 2 * rows + i / (columns / 2);
  }
  EXPECT_EQ(wrong, 0U);
}

TEST(Pytorch, MayBeReadFromSeveralThreads) {
  const auto reader = open_pytorch(at(golden_path("pytorch/views.pt")));
  const auto expected = expected_tensors("pytorch/views.pt");
  std::vector<std::thread> threads;
  std::vector<std::vector<FullTensor>> found(4);
  for (auto& tensors : found) {
    threads.emplace_back([&] { tensors = read_everything(*reader, 3); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& tensors : found) EXPECT_EQ(tensors, expected);
}

}  // namespace
}  // namespace narrow
