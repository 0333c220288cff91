#include "narrow/packed_checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <limits>

#include "base/random.h"
#include "checkpoint/testing/memory_checkpoint.h"
#include "narrow/error.h"
#include "narrow/export_codes.h"
#include "narrow/quantize_checkpoint.h"
#include "packed/packed_file.h"

namespace narrow {
namespace {

using ::testing::HasSubstr;

std::vector<float> normal_values(std::size_t count) {
  RandomStream random(3, "values");
  std::vector<float> values(count);
  std::ranges::generate(values, [&] { return static_cast<float>(random.normal()); });
  return values;
}

// Of every kind that the packed format treats in its own way.
std::vector<MemoryTensor> all_kinds() {
  std::vector<MemoryTensor> tensors;
  tensors.push_back(
      memory_tensor("net/weights", DType::kFloat32, {50, 6'007}, normal_values(300'350)));
  tensors.push_back(memory_tensor("net/bias", DType::kFloat32, {7}, normal_values(7)));
  tensors.push_back(memory_tensor("net/empty", DType::kFloat32, {0, 5}, std::vector<float>()));
  tensors.push_back(memory_tensor("scalar", DType::kFloat32, {}, std::vector<float>{-3}));
  tensors.push_back(memory_tensor("odd", DType::kQInt8, {3}, std::vector<std::int8_t>{1, 2, -3}));
  tensors.push_back(
      memory_tensor("complex", DType::kComplex128, {1}, std::vector<double>{0.5, -2}));
  tensors.push_back({{"words", DType::kString, {2}}, {}, {"", std::string("a\0b", 3)}});
  tensors.push_back(memory_tensor("global_step", DType::kInt64, {}, std::vector<std::int64_t>{9}));
  return tensors;
}

class PackedCheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  PackedContents pack(const CheckpointReader& reader, const QuantizePlan& plan,
                      NonFinitePolicy policy = NonFinitePolicy::kError) {
    return pack_checkpoint(reader, plan, {.non_finite = policy}, path_, Overwrite::kYes,
                           {.threads = 2});
  }
  MemoryWriter unpacked() {
    MemoryWriter writer;
    unpack_checkpoint(PackedCheckpoint(path_), writer, {.threads = 2});
    return writer;
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("narrow-packed-" + std::to_string(::getpid()));
  std::filesystem::path path_ = folder_ / "p.safetensors";
};

std::vector<Scheme> schemes() {
  std::vector<Scheme> all;
  for (const auto kind :
       {SchemeKind::kBin, SchemeKind::kFixedPoint, SchemeKind::kAffine, SchemeKind::kSymmetric}) {
    for (const char* granularity : {"tensor", "channel", "group:100"}) {
      all.push_back({kind, 3, Scaling::kBinary, parse_granularity(granularity)});
    }
  }
  return all;
}

TEST_F(PackedCheckpointTest, GivesWhatQuantizeGivesForEveryKindOfTensor) {
  const MemoryReader reader(all_kinds());
  for (const Scheme& scheme : schemes()) {
    const QuantizePlan plan = make_plan(reader, scheme, {});
    MemoryWriter expected;
    quantize_checkpoint(reader, plan, {}, expected);
    const PackedContents contents = pack(reader, plan);
    EXPECT_EQ(contents.summary().quantized, 4U);
    EXPECT_EQ(contents.file_bytes, std::filesystem::file_size(path_));
    const MemoryWriter writer = unpacked();
    ASSERT_EQ(writer.tensors.size(), expected.tensors.size());
    for (std::size_t i = 0; i < expected.tensors.size(); ++i) {
      EXPECT_EQ(writer.tensors[i].info, expected.tensors[i].info);
      EXPECT_EQ(writer.tensors[i].bytes, expected.tensors[i].bytes) << writer.tensors[i].info.name;
      EXPECT_EQ(writer.tensors[i].strings, expected.tensors[i].strings);
    }
    EXPECT_TRUE(verify_packed(PackedCheckpoint(path_), reader, {.threads = 2}).empty());
  }
}

TEST_F(PackedCheckpointTest, HasTheDigestOfAPlan) {
  const MemoryReader reader(all_kinds());
  EXPECT_EQ("xxh3-128:" + pack(reader, make_plan(reader, {}, {})).input_digest,
            checkpoint_digest(reader));
}

TEST_F(PackedCheckpointTest, KeepsWhatIsNotFinite) {
  auto tensors = all_kinds();
  tensors.push_back(memory_tensor("bad", DType::kFloat32, {2},
                                  std::vector<float>{1, std::numeric_limits<float>::infinity()}));
  const MemoryReader reader(tensors);
  const QuantizePlan plan = make_plan(reader, {}, {});
  EXPECT_THROW(pack(reader, plan), Error);
  EXPECT_FALSE(std::filesystem::exists(path_));
  const PackedContents contents = pack(reader, plan, NonFinitePolicy::kKeep);
  EXPECT_EQ(contents.tensors.back().non_finite, 1U);
  EXPECT_EQ(unpacked().tensors.back().bytes, tensors.back().bytes);
  EXPECT_EQ(PackedCheckpoint(path_).contents().tensors.back().non_finite, 1U);
  EXPECT_TRUE(verify_packed(PackedCheckpoint(path_), reader, {.threads = 1}).empty());
}

TEST_F(PackedCheckpointTest, NamesThatMeetAreRefused) {
  auto tensors = all_kinds();
  tensors.push_back(
      memory_tensor("net/bias:codes", DType::kUInt8, {1}, std::vector<std::uint8_t>{1}));
  const MemoryReader reader(std::move(tensors));
  try {
    pack(reader, make_plan(reader, {}, {}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("net/bias:codes"));
  }
}

TEST_F(PackedCheckpointTest, VerifyNamesChangedStrings) {
  pack(MemoryReader(all_kinds()), make_plan(MemoryReader(all_kinds()), {}, {}));
  auto changed = all_kinds();
  changed[6].strings[1] = "other";
  const auto differences = verify_packed(PackedCheckpoint(path_), MemoryReader(changed));
  ASSERT_EQ(differences.size(), 1U);
  EXPECT_EQ(differences[0].tensor, "words");
}

class Stopper : public Observer {
 public:
  bool on_progress(std::uint64_t, std::uint64_t, ProgressUnit) override { return false; }
};

ErrorCategory stopped(const std::function<void(const RunOptions&)>& job) {
  Stopper stopper;
  try {
    job({.observer = &stopper});
  } catch (const Error& error) {
    return error.category();
  }
  return ErrorCategory::kUsage;
}

TEST_F(PackedCheckpointTest, TheObserverCanStopEveryJob) {
  const MemoryReader reader(all_kinds());
  const QuantizePlan plan = make_plan(reader, {}, {});
  EXPECT_EQ(stopped([&](const RunOptions& run) {
              pack_checkpoint(reader, plan, {}, path_, Overwrite::kNo, run);
            }),
            ErrorCategory::kInterrupted);
  EXPECT_FALSE(std::filesystem::exists(path_));
  pack(reader, plan);
  const PackedCheckpoint packed(path_);
  EXPECT_EQ(stopped([&](const RunOptions& run) {
              NullWriter writer;
              unpack_checkpoint(packed, writer, run);
            }),
            ErrorCategory::kInterrupted);
  EXPECT_EQ(stopped([&](const RunOptions& run) { verify_packed(packed, reader, run); }),
            ErrorCategory::kInterrupted);
  const std::filesystem::path header = folder_ / "codes.h";
  EXPECT_EQ(stopped([&](const RunOptions& run) {
              export_codes(packed, CodeFormat::kCHeader, {}, header, Overwrite::kNo, run);
            }),
            ErrorCategory::kInterrupted);
  EXPECT_FALSE(std::filesystem::exists(header));
}

}  // namespace
}  // namespace narrow
