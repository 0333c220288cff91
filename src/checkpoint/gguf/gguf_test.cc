#include <gtest/gtest.h>

#include <limits>
#include <utility>

#include "checkpoint/container/formats.h"
#include "checkpoint/gguf/gguf_header.h"
#include "checkpoint/memory_file.h"
#include "checkpoint/testing/flat_checkpoint.h"

namespace narrow {
namespace {

CheckpointLocation at(const std::filesystem::path& path) { return {CheckpointFormat::kGguf, path}; }

template <typename T>
std::string bytes_of(T value) {
  std::string bytes(sizeof(T), '\0');
  store_le(bytes.data(), value);
  return bytes;
}
std::string u32(std::uint32_t value) { return bytes_of(value); }
std::string u64(std::uint64_t value) { return bytes_of(value); }
std::string text(const std::string& value) { return u64(value.size()) + value; }

std::string entry(const std::string& key, std::uint32_t type, const std::string& value) {
  return text(key) + u32(type) + value;
}
// Lengths as the file has them: the innermost first.
std::string tensor(const std::string& name, const std::vector<std::uint64_t>& lengths,
                   std::uint32_t type, std::uint64_t offset) {
  std::string bytes = text(name) + u32(static_cast<std::uint32_t>(lengths.size()));
  for (const std::uint64_t length : lengths) bytes += u64(length);
  return bytes + u32(type) + u64(offset);
}
std::string make_file(const std::vector<std::string>& entries,
                      const std::vector<std::string>& tensors, std::size_t data_bytes,
                      std::uint32_t version = 3) {
  std::string file = "GGUF" + u32(version) + u64(tensors.size()) + u64(entries.size());
  for (const std::string& part : entries) file += part;
  for (const std::string& part : tensors) file += part;
  file.resize((file.size() + 31) / 32 * 32 + data_bytes, '\1');
  return file;
}

void expect_refused(ErrorCategory category, const std::string& part, const std::string& content) {
  SCOPED_TRACE(part);
  const MemoryFile file(as_byte_span(content));
  expect_error(category, part, [&] { open_gguf(at(file.path())); });
}

std::vector<FullTensor> without(std::vector<FullTensor> tensors, const std::string& name) {
  std::erase_if(tensors, [&](const FullTensor& tensor) { return tensor.info.name == name; });
  return tensors;
}

TEST(Gguf, ReadsWhatTheReferenceWroteToTheBit) {
  const auto reader = open_gguf(at(golden_path("gguf/types.gguf")));
  auto expected = expected_tensors("gguf/types.gguf");
  for (FullTensor& tensor : expected) {
    const std::string& name = tensor.info.name;
    if (name.starts_with("Q")) tensor.info.stored_as = name;
  }
  for (const std::size_t piece_bytes : {0, 1, 4099}) {
    EXPECT_EQ(without(read_everything(*reader, piece_bytes), "MXFP4"), expected);
  }
  const TensorInfo& foreign = reader->tensors().back();
  EXPECT_EQ(foreign.opaque, (OpaqueType{OpaqueType::Family::kGguf, "MXFP4", 68, false}));
  EXPECT_EQ(foreign.shape, (Shape{2, 64}));
}

TEST(Gguf, MetadataIsText) {
  auto metadata = open_gguf(at(golden_path("gguf/types.gguf")))->metadata();
  const std::map<std::string, std::string> expected = {
      {"general.architecture", "llama"},
      {"test.uint8", "255"},
      {"test.int8", "-128"},
      {"test.uint16", "65535"},
      {"test.int16", "-32768"},
      {"test.uint32", "4294967295"},
      {"test.int32", "-2147483648"},
      {"test.uint64", "18446744073709551615"},
      {"test.int64", "-9223372036854775808"},
      {"test.float32", "0.1"},
      {"test.float64", "0.1"},
      {"test.bool", "true"},
      {"test.string", "größe \"1\"\n"},
      {"test.texts", R"(["<s>", "\"", "ö"])"},
      {"test.numbers", "[0, 1, 2, 3, ... 20 in all]"},
      {"test.reals", "[0.5, -1]"},
      {"test.many_texts", R"(["token 0", "token 1", "token 2", "token 3", ... 17 in all])"},
  };
  EXPECT_EQ(metadata, expected);
}

TEST(Gguf, NestedArraysAreBounded) {
  const auto nested = [](int depth) {
    std::string value = u32(0) + u64(1) + "\5";
    for (int i = 1; i < depth; ++i) value = u32(9) + u64(1) + value;
    return make_file({entry("a", 9, value)}, {}, 0);
  };
  const MemoryFile file(as_byte_span(nested(3)));
  EXPECT_EQ(open_gguf(at(file.path()))->metadata().at("a"), "[[[5]]]");
  expect_refused(ErrorCategory::kUnsupported, "deeper than 8", nested(9));
  expect_refused(ErrorCategory::kUnsupported, "deeper than 8", nested(1'000));
}

TEST(Gguf, RefusesOtherVersions) {
  expect_refused(ErrorCategory::kUnsupported, "big-endian", make_file({}, {}, 0, 0x03000000));
  expect_refused(ErrorCategory::kUnsupported, "is of version 1", make_file({}, {}, 0, 1));
  expect_refused(ErrorCategory::kUnsupported, "is of version 4", make_file({}, {}, 0, 4));
  const MemoryFile file(as_byte_span(make_file({}, {tensor("a", {8}, 24, 0)}, 8, 2)));
  EXPECT_EQ(read_everything(*open_gguf(at(file.path())))[0].values, std::string(8, '\1'));
}

TEST(Gguf, RefusesHostileLengths) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  expect_refused(ErrorCategory::kCorrupt, "tensors are announced",
                 "GGUF" + u32(3) + u64(kMost) + u64(0));
  expect_refused(ErrorCategory::kCorrupt, "entries of metadata are announced",
                 "GGUF" + u32(3) + u64(0) + u64(kMost));
  expect_refused(ErrorCategory::kCorrupt, "bytes of text",
                 make_file({u64(kMost) + std::string(20, 'a')}, {}, 0));
  expect_refused(ErrorCategory::kCorrupt, "elements are announced",
                 make_file({entry("a", 9, u32(10) + u64(kMost / 8))}, {}, 99));
  expect_refused(ErrorCategory::kCorrupt, "13 is not the type of a value",
                 make_file({entry("a", 13, "")}, {}, 32));
  expect_refused(ErrorCategory::kCorrupt, "too long or no text",
                 make_file({entry(std::string(65'536, 'a'), 0, "\1")}, {}, 0));
  expect_refused(ErrorCategory::kCorrupt, "no text", make_file({entry("\xff", 0, "\1")}, {}, 0));
  expect_refused(ErrorCategory::kCorrupt, "has too many elements",
                 make_file({}, {tensor("a", {kMost}, 0, 0)}, 8));
  expect_refused(ErrorCategory::kCorrupt, "has too many elements",
                 make_file({}, {tensor("a", {kMost / 2, 4}, 24, 0)}, 8));
  expect_refused(ErrorCategory::kCorrupt, "does not lie in the file",
                 make_file({}, {tensor("a", {std::uint64_t{1} << 59}, 28, 0)}, 8));
  expect_refused(ErrorCategory::kCorrupt, "does not lie in the file",
                 make_file({}, {tensor("a", {8}, 24, kMost - 31)}, 64));
  expect_refused(ErrorCategory::kUnsupported, "has 255 dimensions",
                 make_file({}, {tensor("a", std::vector<std::uint64_t>(255, 1), 24, 0)}, 8));
}

TEST(Gguf, RefusesWhatContradictsItself) {
  expect_refused(ErrorCategory::kCorrupt, "the key a twice",
                 make_file({entry("a", 0, "\1"), entry("a", 0, "\1")}, {}, 0));
  expect_refused(ErrorCategory::kCorrupt, "two tensors a",
                 make_file({}, {tensor("a", {1}, 24, 0), tensor("a", {1}, 24, 32)}, 64));
  expect_refused(ErrorCategory::kCorrupt, "rows of 33 values, which are no blocks of 32",
                 make_file({}, {tensor("a", {33, 32}, 8, 0)}, 4096));
  expect_refused(ErrorCategory::kCorrupt, "no blocks of 32",
                 make_file({}, {tensor("a", {}, 8, 0)}, 64));
  expect_refused(ErrorCategory::kCorrupt, "no multiple of 32",
                 make_file({}, {tensor("a", {1}, 24, 8)}, 64));
  expect_refused(ErrorCategory::kCorrupt, "overlaps",
                 make_file({}, {tensor("a", {33}, 24, 0), tensor("b", {1}, 24, 32)}, 64));
  for (const std::uint32_t alignment : {0, 48}) {
    expect_refused(ErrorCategory::kCorrupt, "instead of a power of two",
                   make_file({entry("general.alignment", 4, u32(alignment))}, {}, 0));
  }
  expect_refused(ErrorCategory::kCorrupt, "instead of a power of two",
                 make_file({entry("general.alignment", 10, u64(32))}, {}, 0));
}

TEST(Gguf, TypesThatAreNotKnownHaveWhatLiesThere) {
  const std::string content = make_file(
      {}, {tensor("a", {5}, 99, 0), tensor("b", {3}, 24, 64), tensor("e", {0}, 0, 64)}, 67);
  const MemoryFile file(as_byte_span(content));
  const auto reader = open_gguf(at(file.path()));
  const OpaqueType unknown{OpaqueType::Family::kGguf, "type 99", 64, false};
  EXPECT_EQ(reader->tensors()[0].opaque, unknown);
  const TempFolder folder;
  auto writer = create_gguf_like(file.path(), at(folder / "out"), Overwrite::kNo);
  write_everything(writer.get(), read_everything(*reader), 5);
  EXPECT_EQ(read_everything(*open_gguf(at(folder / "out")), 7), read_everything(*reader));
}

std::string small_file() {
  return make_file({entry("a", 8, text("xyz")), entry("b", 9, u32(2) + u64(2) + "1234")},
                   {tensor("b", {32, 2}, 8, 0), tensor("c", {2}, 0, 96)}, 104);
}

TEST(Gguf, RefusesEveryTruncation) {
  const std::string content = small_file();
  for (std::size_t size = 4; size < content.size(); ++size) {
    expect_refused(ErrorCategory::kCorrupt, "", content.substr(0, size));
  }
}

TEST(Gguf, SurvivesEveryFlippedBit) {
  const std::string content = small_file();
  for (std::size_t bit = 32; bit < 8 * content.size(); ++bit) {
    std::string flipped = content;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const MemoryFile file(as_byte_span(flipped));
    try {
      EXPECT_LE(read_everything(*open_gguf(at(file.path()))).size(), 2U);
    } catch (const Error& error) {
      EXPECT_STRNE(error.what(), "");
    }
  }
}

TEST(Gguf, StreamsEnd) {
  const auto reader = open_gguf(at(golden_path("gguf/types.gguf")));
  const auto stream = reader->open(reader->find("Q4_K").value());
  std::vector<std::byte> out(2049);
  expect_error(ErrorCategory::kUsage, "asked for", [&] { stream->read(out); });
}

// What the reference wrote, written again: plain values with metadata of every type.
TEST(Gguf, AVariantKeepsMetadataAndPlainValues) {
  const TempFolder folder;
  const auto source = golden_path("gguf/weights.gguf");
  const auto reader = open_gguf(at(source));
  auto writer = create_gguf_like(source, at(folder / "copy"), Overwrite::kNo);
  writer->set_metadata(reader->metadata());
  write_everything(writer.get(), read_everything(*reader), 7);
  EXPECT_EQ(file_content(folder / "copy"), file_content(source));

  const auto types = golden_path("gguf/types.gguf");
  auto tensors = read_everything(*open_gguf(at(types)));
  create_gguf_like(types, at(folder / "none"), Overwrite::kNo)->finish();
  EXPECT_EQ(open_gguf(at(folder / "none"))->metadata(), open_gguf(at(types))->metadata());
  write_everything(create_gguf_like(types, at(folder / "types"), Overwrite::kNo).get(), tensors);
  for (FullTensor& tensor : tensors) tensor.info.stored_as.clear();
  const auto written = open_gguf(at(folder / "types"));
  EXPECT_EQ(read_everything(*written), tensors);
  auto metadata = open_gguf(at(types))->metadata();
  metadata["general.file_type"] = "0";
  EXPECT_EQ(written->metadata(), metadata);
}

TEST(Gguf, MetadataThatIsChangedBecomesText) {
  const TempFolder folder;
  const auto source = golden_path("gguf/weights.gguf");
  auto metadata = open_gguf(at(source))->metadata();
  metadata["llama.block_count"] = "two";
  metadata["added"] = "1";
  metadata.erase("tokenizer.ggml.tokens");
  auto writer = create_gguf_like(source, at(folder / "out"), Overwrite::kNo);
  writer->set_metadata(metadata);
  writer->finish();
  EXPECT_EQ(open_gguf(at(folder / "out"))->metadata(), metadata);
}

TEST(Gguf, WriterRefusesWhatTheFormatDoesNotHave) {
  const TempFolder folder;
  auto writer =
      create_gguf_like(golden_path("gguf/weights.gguf"), at(folder / "out"), Overwrite::kNo);
  const auto refuses = [&](const std::string& part, const TensorInfo& info) {
    expect_error(ErrorCategory::kUnsupported, part, [&] { writer->add(info); });
  };
  refuses("a GGUF file cannot hold tensor b, whose type is bool", {"b", DType::kBool, {1}});
  refuses("complex64", {"b", DType::kComplex64, {1}});
  refuses("safetensors' F4",
          {"b", DType::kOpaque, {2}, {OpaqueType::Family::kSafetensors, "F4", 1, false}});
  refuses("has 64 bytes", {std::string(64, 'n'), DType::kFloat32, {1}});
  refuses("at most 4 dimensions", {"b", DType::kFloat32, {1, 1, 1, 1, 1}});
  writer->add({"a", DType::kFloat32, {1}});
  expect_error(ErrorCategory::kUsage, "0 of its 4", [&] { writer->finish(); });
  writer.reset();
  EXPECT_TRUE(std::filesystem::is_empty(folder / ""));
  expect_error(ErrorCategory::kUnsupported, "only be written from another GGUF",
               [&] { create_checkpoint(at(folder / "out"), Overwrite::kNo); });
}

TEST(Gguf, IsFoundByItsContent) {
  const auto path = golden_path("gguf/weights.gguf");
  EXPECT_EQ(locate_checkpoint(path).format, CheckpointFormat::kGguf);
  EXPECT_EQ(traits_of(CheckpointFormat::kGguf).channel_axis, 0);
  const TempFolder folder;
  const auto reader = open_checkpoint(path);
  auto writer = create_checkpoint_like(*reader, at(folder / "out"), Overwrite::kNo);
  write_everything(writer.get(), read_everything(*reader));
  EXPECT_EQ(file_content(folder / "out"), file_content(path));
}

}  // namespace
}  // namespace narrow
