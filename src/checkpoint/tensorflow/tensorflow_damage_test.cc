// Damaged files give an Error or the right values, never anything else.
#include <gtest/gtest.h>

#include "checkpoint/testing/tensorflow_files.h"

namespace narrow {
namespace {

struct DamageCase {
  const char* checkpoint;
  const char* suffix;  // of the file that is damaged
};

void PrintTo(const DamageCase& damage, std::ostream* out) {
  *out << damage.checkpoint << damage.suffix;
}

class TensorFlowDamage : public testing::TestWithParam<DamageCase> {
 protected:
  void SetUp() override {
    const std::string name = GetParam().checkpoint;
    for (const auto& entry : std::filesystem::directory_iterator(golden_path(""))) {
      const std::string file = entry.path().filename();
      if (file == name || (file.starts_with(name + ".") && !file.ends_with(".values"))) {
        std::filesystem::copy_file(entry.path(), scratch_ / file);
      }
    }
    expected_ = golden_values(name);
    damaged_ = scratch_ / (name + GetParam().suffix);
    original_ = file_bytes(damaged_);
  }

  // In place, because file systems make truncating and writing again slow.
  void put_byte(std::size_t position, int value) const {
    std::fstream file(damaged_, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(position));
    file.put(static_cast<char>(value));
    ASSERT_TRUE(file.good());
  }

  // Reads everything. Returns whether an Error was thrown.
  bool fails_or_is_right() {
    std::unique_ptr<CheckpointReader> reader;
    try {
      reader = open_checkpoint(scratch_ / GetParam().checkpoint);
    } catch (const Error&) {
      return true;
    }
    EXPECT_EQ(reader->tensors().size(), expected_.size());
    bool failed = false;
    for (std::size_t i = 0; i < std::min(expected_.size(), reader->tensors().size()); ++i) {
      EXPECT_EQ(reader->tensors()[i], expected_[i].info);
      try {
        EXPECT_TRUE(has_values(*reader, i, expected_[i]));
      } catch (const Error& error) {
        EXPECT_EQ(error.category(), ErrorCategory::kCorrupt) << error.what();
        failed = true;
      }
    }
    return failed;
  }

  ScratchDirectory scratch_;
  std::vector<GoldenTensor> expected_;
  std::filesystem::path damaged_;
  std::string original_;
};

TEST_P(TensorFlowDamage, TruncationAnywhereIsAnError) {
  EXPECT_FALSE(fails_or_is_right());
  for (std::size_t size = original_.size(); size-- > 0;) {
    std::filesystem::resize_file(damaged_, size);
    ASSERT_TRUE(fails_or_is_right()) << size;
    ASSERT_FALSE(HasFailure()) << size;
  }
}

TEST_P(TensorFlowDamage, NoSingleBitGivesWrongValues) {
  std::size_t errors = 0;
  for (std::size_t bit = 0; bit < 8 * original_.size(); ++bit) {
    const char byte = original_[bit / 8];
    put_byte(bit / 8, byte ^ (1 << bit % 8));
    if (fails_or_is_right()) ++errors;
    ASSERT_FALSE(HasFailure()) << "bit " << bit;
    put_byte(bit / 8, byte);
  }
  // Only the padding of the footer and the metaindex are without a meaning.
  EXPECT_GE(errors + 8 * 53, 8 * original_.size());
}

INSTANTIATE_TEST_SUITE_P(
    Files, TensorFlowDamage,
    testing::Values(DamageCase{"v2_tiny", ".index"}, DamageCase{"v2_tiny", ".data-00000-of-00001"},
                    DamageCase{"v2_types", ".index"},
                    DamageCase{"v2_types", ".data-00000-of-00001"},
                    DamageCase{"v2_sharded", ".data-00001-of-00003"},
                    DamageCase{"v2_partitioned", ".index"}, DamageCase{"v1_tiny", ""},
                    DamageCase{"v1_types", ""}, DamageCase{"v1_snappy", ""}),
    [](const auto& test) {
      std::string name = std::string(test.param.checkpoint) + test.param.suffix;
      for (char& c : name) {
        if (c == '.' || c == '-') c = '_';
      }
      return name;
    });

}  // namespace
}  // namespace narrow
