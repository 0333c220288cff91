#include "narrow/quantize_shards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/parts/part_files.h"
#include "base/random.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

constexpr const char* kIndex = "net.safetensors.index.json";
constexpr std::size_t kFiles = 3;

// Stops the job once so many tensors are done.
class StopAfter : public QuantizeObserver {
 public:
  explicit StopAfter(std::size_t tensors) : left_(tensors) {}
  bool on_progress(std::uint64_t /*done*/, std::uint64_t /*total*/,
                   ProgressUnit /*unit*/) override {
    return left_ > 0;
  }
  void on_tensor(const TensorResult& /*result*/, std::size_t /*done*/,
                 std::size_t /*total*/) override {
    if (left_ > 0) --left_;
  }
  void on_note(const std::string& sentence) override { note = sentence; }

  std::string note;

 private:
  std::size_t left_;
};

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class QuantizeShards : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / ("shards-" + std::to_string(::getpid()));
    fs::create_directories(root_ / "in");
    RandomStream random(1, "shards");
    std::string map;
    for (std::size_t file = 0; file < kFiles; ++file) {
      const std::string name = "net-" + std::to_string(file) + ".safetensors";
      const auto writer =
          create_checkpoint({CheckpointFormat::kSafetensors, root_ / "in" / name}, Overwrite::kNo);
      const std::string tensor = "layer" + std::to_string(file) + ".weight";
      writer->add({tensor, DType::kFloat32, {40, static_cast<std::int64_t>(file) + 10}});
      writer->add({tensor + ".step", DType::kInt64, {1}});
      std::vector<float> values(40 * (file + 10));
      for (float& value : values) value = static_cast<float>(random.below(2001)) - 1000;
      writer->write(std::as_bytes(std::span(values)));
      const std::int64_t step = 7;
      writer->write(std::as_bytes(std::span(&step, 1)));
      writer->finish();
      map += (map.empty() ? "\"" : ", \"") + tensor + "\": \"" + name + "\", \"" + tensor +
             ".step\": \"" + name + "\"";
    }
    std::ofstream(root_ / "in" / kIndex) << "{\"metadata\": {}, \"weight_map\": {" << map << "}}";
    reader_ = open_checkpoint(root_ / "in" / kIndex);
    scheme_.bits = 3;
    plan_ = make_plan(*reader_, scheme_, {});
  }
  void TearDown() override { fs::remove_all(root_); }

  [[nodiscard]] CheckpointLocation output(const std::string& directory) const {
    return {CheckpointFormat::kSafetensorsShards, root_ / directory / kIndex};
  }
  // In one go, by the writer of that format.
  QuantizeResult quantize_plainly(const std::string& directory) {
    const auto writer = create_checkpoint_like(*reader_, output(directory), Overwrite::kNo);
    writer->set_metadata(reader_->metadata());
    QuantizeResult result =
        quantize_checkpoint(*reader_, plan_, {.code_statistics = true}, *writer);
    writer->finish();
    return result;
  }
  QuantizeResult quantize(const std::string& directory, QuantizeObserver* observer = nullptr,
                          Overwrite overwrite = Overwrite::kNo) {
    return quantize_shards(*reader_, plan_, {.code_statistics = true}, output(directory), overwrite,
                           reader_->metadata(), {.threads = 2, .observer = observer});
  }
  void expect_same_files(const std::string& one, const std::string& other) {
    std::size_t files = 0;
    for (const auto& entry : fs::directory_iterator(root_ / one)) {
      EXPECT_EQ(content(entry.path()), content(root_ / other / entry.path().filename()));
      ++files;
    }
    EXPECT_EQ(files, kFiles + 1);
    EXPECT_EQ(std::distance(fs::directory_iterator(root_ / other), {}),
              static_cast<std::ptrdiff_t>(kFiles) + 1);
  }
  static void expect_same_results(const QuantizeResult& one, const QuantizeResult& other) {
    ASSERT_EQ(one.tensors.size(), other.tensors.size());
    for (std::size_t i = 0; i < one.tensors.size(); ++i) {
      const TensorResult& a = one.tensors[i];
      const TensorResult& b = other.tensors[i];
      EXPECT_EQ(a.quantized, b.quantized);
      EXPECT_EQ(a.reason, b.reason);
      EXPECT_EQ(a.scheme, b.scheme);
      EXPECT_EQ(a.params, b.params);
      EXPECT_EQ(a.errors.sum_d2, b.errors.sum_d2);
      EXPECT_EQ(a.entropy_bits, b.entropy_bits);
      EXPECT_EQ(a.codes_used, b.codes_used);
    }
    EXPECT_EQ(one.summary.pooled.sum_d2, other.summary.pooled.sum_d2);
    EXPECT_EQ(one.summary.copied_by_reason, other.summary.copied_by_reason);
  }

  fs::path root_;
  std::unique_ptr<CheckpointReader> reader_;
  Scheme scheme_;
  QuantizePlan plan_;
};

TEST_F(QuantizeShards, GivesWhatOneWriterGives) {
  const QuantizeResult plain = quantize_plainly("plain");
  expect_same_results(plain, quantize("shards"));
  expect_same_files("plain", "shards");
  EXPECT_THROW(quantize("shards"), Error);
  quantize("shards", nullptr, Overwrite::kYes);
  expect_same_files("plain", "shards");
}

TEST_F(QuantizeShards, ContinuesWhatWasStopped) {
  const QuantizeResult plain = quantize_plainly("plain");
  StopAfter stop(3);  // in the second of three files, which have two tensors each
  EXPECT_THROW(quantize("out", &stop), Error);
  EXPECT_FALSE(fs::exists(root_ / "out" / kIndex));
  StopAfter never(100);
  expect_same_results(plain, quantize("out", &never));
  EXPECT_EQ(never.note, "1 of 3 files are kept from an earlier run");
  expect_same_files("plain", "out");
}

TEST_F(QuantizeShards, BeginsAnewForOtherOptionsAndWhenTold) {
  StopAfter stop(3);
  EXPECT_THROW(quantize("out", &stop), Error);
  StopAfter never(100);
  quantize("out", &never, Overwrite::kYes);
  EXPECT_EQ(never.note, "");
  StopAfter again(3);
  EXPECT_THROW(quantize("other", &again), Error);
  scheme_.bits = 5;
  plan_ = make_plan(*reader_, scheme_, {});
  StopAfter until_the_end(100);
  quantize("other", &until_the_end);
  EXPECT_EQ(until_the_end.note, "");
  quantize_plainly("plain");
  expect_same_files("plain", "other");
}

TEST_F(QuantizeShards, LeavesNothingWhenNoFileIsDone) {
  StopAfter stop(1);
  EXPECT_THROW(quantize("out", &stop), Error);
  EXPECT_FALSE(fs::exists(root_ / "out"));
}

TEST_F(QuantizeShards, PartsMakeTheSame) {
  const QuantizeResult plain = quantize_plainly("plain");
  std::vector<fs::path> files;
  for (std::uint64_t i = 0; i < 2; ++i) {
    PartExchange part({i, 2}, {"quantize"});
    set_exchange(&part);
    quantize("out");
    set_exchange(nullptr);
    files.push_back(root_ / ("part" + std::to_string(i)));
    const auto bytes = serialize(part.part());
    std::ofstream(files.back(), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  EXPECT_FALSE(fs::exists(root_ / "out" / kIndex));
  MergeExchange merge(files);
  set_exchange(&merge);
  const QuantizeResult merged = quantize("out");
  set_exchange(nullptr);
  expect_same_results(plain, merged);
  expect_same_files("plain", "out");
}

}  // namespace
}  // namespace narrow
