#include "data/shard_sets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "data/testing/golden_data.h"

namespace narrow {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ShardSetsTest : public TemporaryDirectoryTest {
 protected:
  std::vector<ShardSet> sets_of(const std::vector<std::string>& names) {
    for (const std::string& name : names) write_file(directory() / name, "");
    return find_shard_sets(directory());
  }
};

std::vector<std::string> names_of(const ShardSet& set) {
  std::vector<std::string> names;
  for (const auto& file : set.files) names.push_back(file.filename().string());
  return names;
}

TEST_F(ShardSetsTest, ShardsStandInOrderOfTheirNumbers) {
  const auto sets = sets_of({"train-00001-of-00003", "train-00000-of-00003", "train-00002-of-00003",
                             "labels.txt", "train.txt"});
  ASSERT_EQ(sets.size(), 1U);
  EXPECT_EQ(sets[0].stem, "train");
  EXPECT_EQ(sets[0].name, directory() / "train-*-of-00003");
  EXPECT_THAT(names_of(sets[0]),
              ElementsAre("train-00000-of-00003", "train-00001-of-00003", "train-00002-of-00003"));
  EXPECT_NO_THROW(require_all_shards(sets[0]));
}

TEST_F(ShardSetsTest, NamesOfEveryConverter) {
  const auto sets = sets_of({"flowers_train_00000-of-00001.tfrecord", "a-00000-of-00001.record",
                             "cifar10-test.tfrecord-00000-of-00001", "b_00000-of-00001.tfrecords"});
  ASSERT_EQ(sets.size(), 4U);
  std::vector<std::string> stems;
  for (const ShardSet& set : sets) stems.push_back(set.stem);
  EXPECT_THAT(stems, ElementsAre("a", "b", "cifar10-test", "flowers_train"));
  EXPECT_EQ(sets[2].name.filename(), "cifar10-test.tfrecord-*-of-00001");
}

TEST_F(ShardSetsTest, OtherNamesAreNone) {
  EXPECT_THAT(
      sets_of({"model.ckpt.data-00000-of-00001", "model-00001-of-00002.safetensors", "train-0-of-1",
               "train-00002-of-00002", "train-00000-of-", "00000-of-00001", "-00000-of-00001",
               "train00000-of-00001", "train-00000-of-99999999999999999999"}),
      IsEmpty());
  EXPECT_THAT(find_shard_sets(directory() / "none"), IsEmpty());
}

TEST_F(ShardSetsTest, AMissingShardIsNamed) {
  const auto sets =
      sets_of({"a-00000-of-00002", "b-00001-of-00003", "c-00000-of-00003", "c-00002-of-00003"});
  std::vector<std::string> messages;
  for (const ShardSet& set : sets) {
    messages.push_back(error_message(ErrorCategory::kNotFound, [&] { require_all_shards(set); }));
  }
  EXPECT_THAT(messages, ElementsAre(HasSubstr("has 1 of the 2 files a-*-of-00002; "
                                              "a-00001-of-00002 is missing"),
                                    HasSubstr("b-00000-of-00003 is missing"),
                                    HasSubstr("has 2 of the 3 files c-*-of-00003; "
                                              "c-00001-of-00003 is missing")));
}

TEST_F(ShardSetsTest, NumbersOfShardsAreSetsOfTheirOwn) {
  EXPECT_EQ(sets_of({"a-00000-of-00001", "a-00000-of-00002", "a-00001-of-00002",
                     "a-000000-of-000002", "a_00000-of-00002"})
                .size(),
            4U);
}

TEST(ShardSets, StemsOfASplit) {
  EXPECT_TRUE(is_stem_of("train", "cifar10", "train"));
  EXPECT_TRUE(is_stem_of("cifar10_train", "cifar10", "train"));
  EXPECT_TRUE(is_stem_of("cifar10-train", "cifar10", "train"));
  EXPECT_FALSE(is_stem_of("cifar10train", "cifar10", "train"));
  EXPECT_FALSE(is_stem_of("flowers_train", "cifar10", "train"));
  EXPECT_FALSE(is_stem_of("train", "cifar10", "test"));
  EXPECT_FALSE(is_stem_of("cifar10_", "cifar10", "cifar10"));
}

}  // namespace
}  // namespace narrow
