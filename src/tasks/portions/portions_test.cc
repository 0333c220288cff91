#include "narrow/portions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <span>
#include <utility>

#include "base/parts/part_files.h"
#include "base/random.h"
#include "base/staging/waiting.h"
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

// Calls `act` once, in the middle of a job.
class InTheMiddle : public QuantizeObserver {
 public:
  explicit InTheMiddle(std::function<void()> act) : act_(std::move(act)) {}
  bool on_progress(std::uint64_t /*done*/, std::uint64_t /*total*/,
                   ProgressUnit /*unit*/) override {
    if (act_) std::exchange(act_, {})();
    return true;
  }

 private:
  std::function<void()> act_;
};

// Hears when something begins to wait.
class WaitHeard : public WaitObserver {
 public:
  WaitHeard() { set_wait_observer(this); }
  ~WaitHeard() override { set_wait_observer(nullptr); }
  WaitHeard(const WaitHeard&) = delete;
  WaitHeard& operator=(const WaitHeard&) = delete;
  void on_begin() override {
    if (!has_begun_.exchange(true)) begins.set_value();
  }

  std::promise<void> begins;

 private:
  std::atomic<bool> has_begun_ = false;
};

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Portions : public testing::Test {
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
    return quantize_plainly(output(directory));
  }
  QuantizeResult quantize_plainly(const CheckpointLocation& location) {
    const auto writer = create_checkpoint_like(*reader_, location, Overwrite::kNo);
    writer->set_metadata(reader_->metadata());
    QuantizeResult result =
        quantize_checkpoint(*reader_, plan_, {.code_statistics = true}, *writer);
    writer->finish();
    return result;
  }
  QuantizeResult quantize(const std::string& directory, QuantizeObserver* observer = nullptr,
                          Overwrite overwrite = Overwrite::kNo) {
    return quantize(output(directory), observer, overwrite);
  }
  QuantizeResult quantize(const CheckpointLocation& location, QuantizeObserver* observer = nullptr,
                          Overwrite overwrite = Overwrite::kNo) {
    return quantize_portions(*reader_, plan_, {.code_statistics = true}, location, overwrite,
                             reader_->metadata(), {.threads = 2, .observer = observer});
  }
  // Runs `job` as so many parts, the last first, and as their merge.
  void run_parts(std::uint64_t count, const std::function<void()>& job) {
    std::vector<fs::path> files;
    for (std::uint64_t i = count; i > 0; --i) {
      PartExchange part({i - 1, count}, {"job"});
      set_exchange(&part);
      job();
      set_exchange(nullptr);
      files.push_back(root_ / ("part" + std::to_string(i)));
      const auto bytes = serialize(part.part());
      std::ofstream(files.back(), std::ios::binary)
          .write(reinterpret_cast<const char*>(bytes.data()),
                 static_cast<std::streamsize>(bytes.size()));
    }
    MergeExchange merge(files);
    set_exchange(&merge);
    job();
    set_exchange(nullptr);
  }
  void expect_same_files(const std::string& one, const std::string& other,
                         std::size_t expected = kFiles + 1) {
    std::size_t files = 0;
    for (const auto& entry : fs::directory_iterator(root_ / one)) {
      EXPECT_EQ(content(entry.path()), content(root_ / other / entry.path().filename()));
      ++files;
    }
    EXPECT_EQ(files, expected);
    EXPECT_EQ(std::distance(fs::directory_iterator(root_ / other), {}),
              static_cast<std::ptrdiff_t>(expected));
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

  // A checkpoint of two tensors: as much as is noted at once, and a little.
  void open_big(const CheckpointLocation& source) {
    const std::vector<float> values(std::size_t{1} << 21, 0.5F);
    const auto writer = create_checkpoint(source, Overwrite::kNo);
    writer->add({"a", DType::kFloat32, {8, 1 << 18}});
    writer->add({"b", DType::kFloat32, {2, 1 << 15}});
    writer->write(std::as_bytes(std::span(values)));
    writer->write(std::as_bytes(std::span(values).first(1 << 16)));
    writer->finish();
    reader_ = open_checkpoint(source.path);
    plan_ = make_plan(*reader_, scheme_, {});
  }

  fs::path root_;
  std::unique_ptr<CheckpointReader> reader_;
  Scheme scheme_;
  QuantizePlan plan_;
};

TEST_F(Portions, GivesWhatOneWriterGives) {
  const QuantizeResult plain = quantize_plainly("plain");
  expect_same_results(plain, quantize("shards"));
  expect_same_files("plain", "shards");
  EXPECT_THROW(quantize("shards"), Error);
  quantize("shards", nullptr, Overwrite::kYes);
  expect_same_files("plain", "shards");
}

TEST_F(Portions, RefusesNamesThatCannotBeBeforeTheWork) {
  fs::create_directory(root_ / "directory");
  const auto message = [](const std::string& text) {
    return testing::ThrowsMessage<Error>(testing::HasSubstr(text));
  };
  const auto quantize_to = [&](const char* name) {
    StopAfter stop(0);
    quantize({CheckpointFormat::kSafetensors, root_ / name}, &stop, Overwrite::kYes);
  };
  EXPECT_THAT([&] { quantize_to("directory"); }, message("the result is one file"));
  EXPECT_THAT([&] { quantize_to("out/.narrow-a.safetensors"); }, message("choose another"));
  EXPECT_THAT([&] { pack_portions(*reader_, plan_, {}, root_ / "directory", Overwrite::kYes); },
              message("the result is one file"));
  EXPECT_FALSE(fs::exists(root_ / "out"));
}

TEST_F(Portions, ContinuesWhatWasStopped) {
  const QuantizeResult plain = quantize_plainly("plain");
  StopAfter stop(3);  // in the second of three files, which have two tensors each
  EXPECT_THROW(quantize("out", &stop), Error);
  EXPECT_FALSE(fs::exists(root_ / "out" / kIndex));
  StopAfter never(100);
  expect_same_results(plain, quantize("out", &never));
  EXPECT_THAT(never.note, testing::EndsWith("% of the work is kept from an earlier run"));
  expect_same_files("plain", "out");
}

TEST_F(Portions, BeginsAnewForOtherOptionsAndWhenTold) {
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

TEST_F(Portions, LeavesNothingWhenNoFileIsDone) {
  StopAfter stop(1);
  EXPECT_THROW(quantize("out", &stop), Error);
  EXPECT_FALSE(fs::exists(root_ / "out"));
}

TEST_F(Portions, PartsMakeTheSame) {
  const QuantizeResult plain = quantize_plainly("plain");
  QuantizeResult merged;
  run_parts(2, [&] {
    EXPECT_FALSE(fs::exists(root_ / "out" / kIndex));
    merged = quantize("out");
  });
  expect_same_results(plain, merged);
  expect_same_files("plain", "out");
}

TEST_F(Portions, PartsShareOneFile) {
  const CheckpointLocation files[] = {{CheckpointFormat::kSafetensors, "one.safetensors"},
                                      {CheckpointFormat::kTensorFlowV2, "model.ckpt"}};
  for (const CheckpointLocation& file : files) {
    const CheckpointFormat format = file.format;
    const std::string plain = "plain" + std::string(to_string(format));
    const std::string shared = "shared" + std::string(to_string(format));
    const QuantizeResult expected = quantize_plainly({format, root_ / plain / file.path});
    QuantizeResult merged;
    run_parts(3, [&] { merged = quantize({format, root_ / shared / file.path}); });
    expect_same_results(expected, merged);
    expect_same_files(plain, shared, format == CheckpointFormat::kSafetensors ? 1 : 3);
  }
}

TEST_F(Portions, StringsAndEmptyTensorsAreInTheirPlaces) {
  const CheckpointLocation source{CheckpointFormat::kTensorFlowV2, root_ / "strings/model.ckpt"};
  const auto writer = create_checkpoint(source, Overwrite::kNo);
  writer->add({"a", DType::kFloat32, {3}});
  writer->add({"b", DType::kString, {2}});
  writer->add({"c", DType::kFloat32, {0, 4}});
  writer->add({"d", DType::kFloat32, {2}});
  const std::vector<float> values = {1, 2, 3};
  writer->write(std::as_bytes(std::span(values)));
  writer->write_strings(std::vector<std::string>{"some", "longer text"});
  writer->write(std::as_bytes(std::span(values).first(2)));
  writer->finish();
  reader_ = open_checkpoint(source.path);
  plan_ = make_plan(*reader_, scheme_, {});
  const QuantizeResult plain = quantize_plainly({source.format, root_ / "plain/model.ckpt"});
  expect_same_results(plain, quantize({source.format, root_ / "out/model.ckpt"}));
  expect_same_files("plain", "out", 3);
}

TEST_F(Portions, RefusesMetadataThatTheFormatDoesNotHoldBeforeTheWork) {
  EXPECT_THAT(
      [&] {
        quantize_portions(*reader_, plan_, {}, {CheckpointFormat::kTensorFlowV2, root_ / "out/m"},
                          Overwrite::kNo, {{"name", "text"}});
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("no place for metadata")));
  EXPECT_FALSE(fs::exists(root_ / "out"));
}

TEST_F(Portions, ContinuesWithinAFile) {
  const CheckpointLocation source{CheckpointFormat::kSafetensors, root_ / "big.safetensors"};
  open_big(source);
  const QuantizeResult plain = quantize_plainly({source.format, root_ / "plain/big.safetensors"});
  const CheckpointLocation out{source.format, root_ / "out/big.safetensors"};
  StopAfter stop(1);
  EXPECT_THROW(quantize(out, &stop), Error);
  EXPECT_TRUE(should_be_portioned(*reader_, out));
  StopAfter never(100);
  expect_same_results(plain, quantize(out, &never));
  EXPECT_EQ(never.note, "97 % of the work is kept from an earlier run");
  expect_same_files("plain", "out", 1);
  EXPECT_FALSE(should_be_portioned(*reader_, out));
}

TEST_F(Portions, BeginsAnewWhenTheInputWasWrittenAgain) {
  const CheckpointLocation source{CheckpointFormat::kTensorFlowV2, root_ / "big/model.ckpt"};
  open_big(source);
  const CheckpointLocation out{source.format, root_ / "out/model.ckpt"};
  StopAfter stop(1);
  EXPECT_THROW(quantize(out, &stop), Error);
  const fs::path index = source.path.string() + ".index";
  fs::last_write_time(index, fs::last_write_time(index) + std::chrono::hours(1));
  StopAfter never(100);
  quantize(out, &never);
  EXPECT_EQ(never.note, "");
}

TEST_F(Portions, ASecondProcessWaitsForTheFirst) {
  quantize_plainly("plain");
  for (const Overwrite overwrite : {Overwrite::kNo, Overwrite::kYes}) {
    fs::remove_all(root_ / "out");
    std::future<void> second;
    {
      WaitHeard wait;
      InTheMiddle start([&] {
        second = std::async(std::launch::async, [&] { quantize("out", nullptr, overwrite); });
        wait.begins.get_future().wait();
      });
      quantize("out", &start);
      second.wait();
    }
    if (overwrite == Overwrite::kNo) {
      EXPECT_THAT([&] { second.get(); },
                  testing::ThrowsMessage<Error>(testing::HasSubstr("exists already")));
    } else {
      EXPECT_NO_THROW(second.get());
    }
    expect_same_files("plain", "out");
  }
}

TEST_F(Portions, AResultThatCannotBePutInPlaceIsKept) {
  const CheckpointLocation out{CheckpointFormat::kSafetensors, root_ / "out/one.safetensors"};
  const QuantizeResult plain =
      quantize_plainly({CheckpointFormat::kSafetensors, root_ / "plain/one.safetensors"});
  InTheMiddle obstruct([&] { fs::create_directory(out.path); });
  EXPECT_THROW(quantize(out, &obstruct, Overwrite::kYes), Error);
  fs::remove(out.path);
  StopAfter never(100);
  expect_same_results(plain, quantize(out, &never));
  EXPECT_EQ(never.note, "100 % of the work is kept from an earlier run");
  expect_same_files("plain", "out", 1);
}

TEST_F(Portions, OverflowsAreCountedOnceInAContinuedConversion) {
  const CheckpointLocation source{CheckpointFormat::kSafetensors, root_ / "large.safetensors"};
  const auto writer = create_checkpoint(source, Overwrite::kNo);
  for (const char* name : {"a", "b", "c"}) writer->add({name, DType::kFloat32, {2}});
  const std::vector<float> values = {1e6F, 1e6F, 1, 1e6F, 1, -1e6F};
  for (std::size_t i = 0; i < values.size(); i += 2) {
    writer->write(std::as_bytes(std::span(values).subspan(i, 2)));
  }
  writer->finish();
  reader_ = open_checkpoint(source.path);
  const fs::path out = root_ / "out/half.safetensors";
  const auto convert = [&](Overwrite overwrite, Observer* observer) {
    return convert_portions(*reader_, plan_conversion(*reader_, {.cast = DType::kFloat16}),
                            {source.format, out}, overwrite, {}, {.observer = observer});
  };
  InTheMiddle obstruct([&] { fs::create_directory(out); });
  EXPECT_THROW(convert(Overwrite::kYes, &obstruct), Error);
  fs::remove(out);
  // As if the process had been killed before all was noted.
  for (const auto& entry : fs::recursive_directory_iterator(root_ / "out")) {
    if (entry.path().stem() == "journal") {
      fs::resize_file(entry.path(), fs::file_size(entry.path()) - 1);
    }
  }
  EXPECT_EQ(convert(Overwrite::kNo, nullptr), 4U);
}

TEST_F(Portions, PartsPackOneFile) {
  fs::create_directories(root_ / "plain");
  const PackedContents plain =
      pack_checkpoint(*reader_, plan_, {}, root_ / "plain/p.safetensors", Overwrite::kNo);
  PackedContents merged;
  run_parts(3, [&] {
    merged = pack_portions(*reader_, plan_, {NonFinitePolicy::kKeep}, root_ / "out/p.safetensors",
                           Overwrite::kNo);
  });
  expect_same_files("plain", "out", 1);
  EXPECT_EQ(merged.input_digest, plain.input_digest);
  EXPECT_EQ(merged.file_bytes, plain.file_bytes);
}

TEST_F(Portions, AMergeAsksForPortionsThatAreGone) {
  int runs = 0;
  const CheckpointLocation out{CheckpointFormat::kSafetensors, root_ / "out/one.safetensors"};
  EXPECT_THAT(
      [&] {
        run_parts(2, [&] {
          // Before the second part and the merge.
          if (++runs == 2) fs::remove_all(root_ / "out");
          quantize(out);
        });
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("make that part again")));
  set_exchange(nullptr);
}

}  // namespace
}  // namespace narrow
