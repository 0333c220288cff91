// Indexes that no TensorFlow writes, with right checksums.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <functional>
#include <map>

#include "checkpoint/container/formats.h"
#include "checkpoint/tensorflow/slices/ordered_code.h"
#include "checkpoint/tensorflow/string_values.h"
#include "checkpoint/tensorflow/table/table_writer.h"
#include "checkpoint/tensorflow/tensor_meta.h"
#include "checkpoint/testing/tensorflow_files.h"

namespace narrow {
namespace {

int number_of(DType dtype) { return tensorflow_number({"", dtype, {}}).value(); }

class V2Reader : public testing::Test {
 protected:
  V2Reader() {
    header_.set_num_shards(1);
    header_.mutable_version()->set_producer(1);
  }

  // An entry whose values are `bytes`, which are put after the others.
  tensorflow::BundleEntryProto entry_of(DType dtype, const Shape& shape, const std::string& bytes) {
    tensorflow::BundleEntryProto entry;
    entry.set_dtype(number_of(dtype));
    for (const std::int64_t dim : shape) entry.mutable_shape()->add_dim()->set_size(dim);
    entry.mutable_shape();
    entry.set_offset(static_cast<std::int64_t>(data_.size()));
    entry.set_size(static_cast<std::int64_t>(bytes.size()));
    entry.set_crc32c(mask_crc(crc32c(as_byte_span(bytes))));
    data_ += bytes;
    return entry;
  }

  void add_slice(tensorflow::BundleEntryProto* summary, const std::string& name,
                 const TensorSlice& slice, const tensorflow::BundleEntryProto& entry) {
    auto* proto = summary->add_slices();
    for (const Extent& extent : slice) {
      auto* added = proto->add_extent();
      added->set_start(extent.start);
      if (extent.length) added->set_length(*extent.length);
    }
    entries_[slice_key(name, slice)] = entry;
  }

  std::unique_ptr<CheckpointReader> open() {
    std::filesystem::remove(scratch_ / "m.index");
    OutputFile file(scratch_ / "m.index");
    TableWriter table(&file);
    table.add("", header_.SerializeAsString());
    for (const auto& [key, entry] : entries_) table.add(key, entry.SerializeAsString());
    table.finish();
    file.finish();
    put_file(scratch_ / "m.data-00000-of-00001", data_);
    return open_checkpoint(scratch_ / "m");
  }

  ErrorCategory open_error() {
    try {
      open();
    } catch (const Error& error) {
      message_ = error.what();
      EXPECT_NE(message_.find("m.index"), std::string::npos) << message_;
      return error.category();
    }
    ADD_FAILURE() << "nothing was thrown";
    return ErrorCategory::kInterrupted;
  }

  ScratchDirectory scratch_;
  tensorflow::BundleHeaderProto header_;
  std::map<std::string, tensorflow::BundleEntryProto> entries_;
  std::string data_;
  std::string message_;
};

TEST_F(V2Reader, RefusesHeadersItCannotServe) {
  header_.set_endianness(1);
  EXPECT_EQ(open_error(), ErrorCategory::kUnsupported);
  header_.set_endianness(0);
  header_.mutable_version()->set_min_consumer(2);
  EXPECT_EQ(open_error(), ErrorCategory::kUnsupported);
  header_.mutable_version()->set_min_consumer(1);
  EXPECT_TRUE(open()->tensors().empty());
  header_.mutable_version()->add_bad_consumers(1);
  EXPECT_EQ(open_error(), ErrorCategory::kUnsupported);
  header_.mutable_version()->clear_bad_consumers();
  header_.set_num_shards(0);
  EXPECT_EQ(open_error(), ErrorCategory::kCorrupt);
}

TEST_F(V2Reader, RefusesEntriesThatContradictThemselvesOrTheDataFile) {
  const auto good = entry_of(DType::kFloat32, {2}, "12345678");
  const auto refuse = [&](const std::function<void(tensorflow::BundleEntryProto*)>& change,
                          ErrorCategory category = ErrorCategory::kCorrupt) {
    entries_["w"] = good;
    change(&entries_["w"]);
    EXPECT_EQ(open_error(), category);
    EXPECT_NE(message_.find("'w'"), std::string::npos) << message_;
  };
  entries_["w"] = good;
  EXPECT_EQ(tensor_bytes(*open(), 0), "12345678");
  refuse([](auto* entry) { entry->set_offset(1); });
  refuse([](auto* entry) { entry->set_offset(-8); });
  refuse([](auto* entry) { entry->set_offset(INT64_MAX); });
  refuse([](auto* entry) { entry->set_size(-8); });
  refuse([](auto* entry) { entry->set_size(4); });
  refuse([](auto* entry) { entry->set_shard_id(1); });
  refuse([](auto* entry) { entry->set_shard_id(-1); });
  refuse([](auto* entry) { entry->mutable_shape()->set_unknown_rank(true); });
  refuse([](auto* entry) { entry->mutable_shape()->mutable_dim(0)->set_size(-2); });
  refuse([](auto* entry) { entry->mutable_shape()->mutable_dim(0)->set_size(INT64_MAX); });
  refuse([](auto* entry) {
    for (int i = 0; i < 300; ++i) entry->mutable_shape()->add_dim()->set_size(1);
  });
  for (const int dtype : {0, -1}) {
    refuse([&](auto* entry) { entry->set_dtype(dtype); });
  }
  refuse([](auto* entry) {
    entry->clear_size();
    entry->mutable_shape()->mutable_dim(0)->set_size(0);
  });
}

TEST_F(V2Reader, VerifiesTheChecksumWithTheLastByte) {
  entries_["w"] = entry_of(DType::kInt8, {4}, "abcd");
  data_[0] = 'x';
  const auto reader = open();
  const auto stream = reader->open(0);
  std::byte out[4];
  stream->read(std::span(out).first(3));
  EXPECT_THROW(stream->read(std::span(out).subspan(3)), Error);
}

TEST_F(V2Reader, NamesAMissingDataFile) {
  entries_["w"] = entry_of(DType::kInt8, {4}, "abcd");
  header_.set_num_shards(2);
  EXPECT_EQ(open_error(), ErrorCategory::kNotFound);
  EXPECT_NE(message_.find("m.data-00000-of-00002"), std::string::npos) << message_;
}

TEST_F(V2Reader, ChecksThatSlicesAreThereAndTile) {
  tensorflow::BundleEntryProto summary;
  summary.set_dtype(number_of(DType::kInt8));
  summary.mutable_shape()->add_dim()->set_size(4);
  add_slice(&summary, "w", {Extent{2, 2}}, entry_of(DType::kInt8, {2}, "cd"));
  entries_["w"] = summary;
  EXPECT_EQ(open_error(), ErrorCategory::kCorrupt);
  add_slice(&summary, "w", {Extent{0, 2}}, entry_of(DType::kInt8, {2}, "ab"));
  entries_["w"] = summary;
  EXPECT_EQ(tensor_bytes(*open(), 0), "abcd");
  const std::string key = slice_key("w", {Extent{0, 2}});
  const auto good = entries_[key];
  entries_[key].set_dtype(number_of(DType::kUInt8));
  EXPECT_EQ(open_error(), ErrorCategory::kCorrupt);
  entries_[key] = good;
  entries_[key].mutable_shape()->mutable_dim(0)->set_size(1);
  EXPECT_EQ(open_error(), ErrorCategory::kCorrupt);
  entries_.erase(key);
  EXPECT_EQ(open_error(), ErrorCategory::kCorrupt);
  entries_[key] = good;
  data_[0] = 'x';
  EXPECT_THROW(tensor_bytes(*open(), 0), Error);
}

TEST_F(V2Reader, ListsTypesItDoesNotComputeWith) {
  for (const auto& [number, name] : std::map<int, std::string>{{20, "resource"},
                                                               {21, "variant"},
                                                               {26, "float8_e4m3fnuz"},
                                                               {29, "int4"},
                                                               {101, "type number 101"}}) {
    entries_["w"] = entry_of(DType::kUInt8, {2}, "abcd");
    entries_["w"].set_dtype(number);
    const TensorInfo info = open()->tensors()[0];
    EXPECT_EQ(info.type_name(), name);
    EXPECT_EQ(info.byte_size(), 4U);
    EXPECT_EQ(tensorflow_number(info), number);
  }
  entries_["w"].set_size(1000);
  EXPECT_EQ(open_error(), ErrorCategory::kCorrupt);
}

TEST_F(V2Reader, ReadsPartitionedValuesOfAnyWidth) {
  tensorflow::BundleEntryProto summary;
  summary.set_dtype(200);
  for (int i = 0; i < 2; ++i) summary.mutable_shape()->add_dim()->set_size(2);
  const auto add = [&](std::int64_t column, const std::string& bytes) {
    auto entry = entry_of(DType::kUInt8, {2, 1}, bytes);
    entry.set_dtype(200);
    add_slice(&summary, "w", {Extent{}, Extent{column, 1}}, entry);
  };
  add(0, "aaaccc");
  add(1, "bbbddd");
  entries_["w"] = summary;
  EXPECT_EQ(tensor_bytes(*open(), 0), "aaabbbcccddd");
  entries_[slice_key("w", {Extent{}, Extent{1, 1}})].set_size(5);
  EXPECT_EQ(open_error(), ErrorCategory::kCorrupt);
}

TEST_F(V2Reader, ReadsPartitionedStrings) {
  tensorflow::BundleEntryProto summary;
  summary.set_dtype(number_of(DType::kString));
  summary.mutable_shape()->add_dim()->set_size(3);
  const auto add = [&](const TensorSlice& slice, const std::vector<std::string>& values) {
    const EncodedStrings encoded = encode_strings(values);
    auto entry =
        entry_of(DType::kString, {static_cast<std::int64_t>(values.size())}, encoded.bytes);
    entry.set_crc32c(encoded.masked_crc);
    add_slice(&summary, "s", slice, entry);
  };
  add({Extent{1, 2}}, {"b", "c"});
  add({Extent{0, 1}}, {"a"});
  entries_["s"] = summary;
  EXPECT_EQ(open()->read_strings(0), (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(V2Reader, RefusesStringsAsAStreamAndNumbersAsStrings) {
  const EncodedStrings encoded = encode_strings(std::vector<std::string>{"a"});
  entries_["s"] = entry_of(DType::kString, {}, encoded.bytes);
  entries_["s"].set_crc32c(encoded.masked_crc);
  entries_["w"] = entry_of(DType::kInt8, {}, "x");
  const auto reader = open();
  EXPECT_THROW(static_cast<void>(reader->open(0)), Error);
  EXPECT_THROW(static_cast<void>(reader->read_strings(1)), Error);
  std::byte out[2];
  EXPECT_THROW(reader->read(1, out), Error);
  EXPECT_EQ(reader->find("w"), 1U);
  EXPECT_EQ(reader->find("x"), std::nullopt);
}

// The most memory this process ever held, in bytes.
std::size_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

TEST_F(V2Reader, StreamsATensorLargerThanTheMemoryItUses) {
  constexpr std::size_t kBytes = std::size_t{1} << 28;
  constexpr std::size_t kPiece = std::size_t{1} << 16;
  std::vector<std::byte> piece(kPiece);
  std::uint32_t crc = 0;
  for (std::size_t done = 0; done < kBytes; done += kPiece) crc = extend_crc32c(crc, piece);
  auto entry = entry_of(DType::kFloat32, {kBytes / 4}, "");
  entry.set_size(kBytes);
  entry.set_crc32c(mask_crc(crc));
  entries_["w"] = entry;
  // open() writes an empty data file, in whose place comes a large hole.
  EXPECT_EQ(open_error(), ErrorCategory::kCorrupt);
  std::filesystem::resize_file(scratch_ / "m.data-00000-of-00001", kBytes);
  const std::size_t before = peak_memory();
  const auto reader = open_checkpoint(scratch_ / "m");
  const auto stream = reader->open(0);
  for (std::size_t done = 0; done < kBytes; done += kPiece) stream->read(piece);
  EXPECT_LT(peak_memory() - before, std::size_t{1} << 24);
}

}  // namespace
}  // namespace narrow
