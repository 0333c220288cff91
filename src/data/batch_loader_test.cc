#include "data/batch_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "data/testing/numbered_dataset.h"

namespace narrow {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr PreprocessingOptions kUnscaled = {
    .output_size = 4, .resize_side = 4, .resize_side_min = 4, .resize_side_max = 4};

class BatchLoaderTest : public TemporaryDirectoryTest {
 protected:
  // Records 0..count-1, label = record modulo 10.
  Dataset dataset(std::size_t count) {
    std::vector<std::int64_t> labels;
    for (std::size_t i = 0; i < count; ++i) labels.push_back(static_cast<std::int64_t>(i % 10));
    write_numbered_dataset(directory(), labels);
    return open_numbered_dataset(directory());
  }
};

std::vector<std::vector<std::uint64_t>> records_of_batches(BatchLoader& loader, std::size_t most) {
  std::vector<std::vector<std::uint64_t>> records;
  for (Batch batch; records.size() < most && loader.next(batch);) records.push_back(batch.records);
  return records;
}

TEST_F(BatchLoaderTest, EvaluationKeepsFileOrderAndEndsWithTheFile) {
  const Dataset data = dataset(7);
  BatchLoader loader(data, {.preprocessing = kUnscaled, .batch_size = 3, .threads = 3});
  EXPECT_EQ(loader.batch_count(), 3u);
  EXPECT_THAT(records_of_batches(loader, 9),
              ElementsAre(ElementsAre(0, 1, 2), ElementsAre(3, 4, 5), ElementsAre(6)));
  Batch batch;
  EXPECT_FALSE(loader.next(batch));
}

TEST_F(BatchLoaderTest, SlimsLastBatchWrapsAround) {
  const Dataset data = dataset(7);
  BatchLoader loader(data, {.preprocessing = kUnscaled, .batch_size = 3, .fill_last_batch = true});
  EXPECT_THAT(records_of_batches(loader, 9),
              ElementsAre(ElementsAre(0, 1, 2), ElementsAre(3, 4, 5), ElementsAre(6, 0, 1)));
}

TEST_F(BatchLoaderTest, ABatchLargerThanTheFileWrapsMoreThanOnce) {
  const Dataset data = dataset(3);
  BatchLoader loader(data, {.preprocessing = kUnscaled, .batch_size = 8, .fill_last_batch = true});
  EXPECT_THAT(records_of_batches(loader, 9), ElementsAre(ElementsAre(0, 1, 2, 0, 1, 2, 0, 1)));
}

TEST_F(BatchLoaderTest, ImagesAndLabelsBelongToTheirRecords) {
  const Dataset data = dataset(23);
  BatchLoader loader(data,
                     {.preprocessing = kUnscaled, .training = true, .batch_size = 5, .threads = 4});
  Batch batch;
  for (int step = 0; step < 20; ++step) {
    ASSERT_TRUE(loader.next(batch));
    ASSERT_EQ(batch.size(), 5u);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      EXPECT_EQ(batch.labels[i], static_cast<int>(batch.records[i] % 10));
      EXPECT_EQ(std::lround(batch.images[i * 48] + 123.68F), batch.records[i]);
    }
  }
}

TEST_F(BatchLoaderTest, EveryEpochIsAnotherPermutation) {
  const Dataset data = dataset(12);
  BatchLoader loader(data, {.preprocessing = kUnscaled, .training = true, .batch_size = 6});
  const auto batches = records_of_batches(loader, 6);
  std::set<std::vector<std::uint64_t>> orders;
  for (std::size_t epoch = 0; epoch < 3; ++epoch) {
    auto order = batches[2 * epoch];
    order.insert(order.end(), batches[2 * epoch + 1].begin(), batches[2 * epoch + 1].end());
    orders.insert(order);
    EXPECT_EQ(std::set(order.begin(), order.end()).size(), 12u);
  }
  EXPECT_EQ(orders.size(), 3u);
}

TEST_F(BatchLoaderTest, FileOrderWithoutShuffling) {
  const Dataset data = dataset(5);
  BatchLoader loader(
      data, {.preprocessing = kUnscaled, .training = true, .shuffle = false, .batch_size = 3});
  EXPECT_EQ(records_of_batches(loader, 3),
            (std::vector<std::vector<std::uint64_t>>{{0, 1, 2}, {3, 4, 0}, {1, 2, 3}}));
}

TEST_F(BatchLoaderTest, TrainingDependsOnTheSeedNotOnThreads) {
  const Dataset data = dataset(20);
  const auto run = [&](std::uint64_t seed, int threads, std::uint64_t first_step) {
    LoaderOptions options = {
        .preprocessing = {.output_size = 6, .resize_side_min = 6, .resize_side_max = 12},
        .training = true,
        .batch_size = 7};
    options.seed = seed;
    options.threads = threads;
    options.first_step = first_step;
    BatchLoader loader(data, options);
    std::vector<std::pair<std::vector<std::uint64_t>, std::vector<float>>> batches;
    for (Batch batch; batches.size() < 8 && loader.next(batch);) {
      batches.emplace_back(batch.records, batch.images);
    }
    return batches;
  };
  const auto reference = run(1, 1, 0);
  EXPECT_EQ(run(1, 5, 0), reference);
  EXPECT_NE(run(2, 1, 0), reference);
  const auto resumed = run(1, 2, 3);
  EXPECT_TRUE(std::equal(reference.begin() + 3, reference.end(), resumed.begin()));
}

TEST_F(BatchLoaderTest, AnErrorComesInItsPlaceAndStays) {
  write_numbered_dataset(directory(), {0, 1, 2, 3, 77, 88, 6, 7, 8});
  const Dataset data = open_numbered_dataset(directory());
  for (int threads = 1; threads <= 4; ++threads) {
    BatchLoader loader(data, {.preprocessing = kUnscaled, .batch_size = 2, .threads = threads});
    Batch batch;
    EXPECT_TRUE(loader.next(batch));
    EXPECT_TRUE(loader.next(batch));
    for (int again = 0; again < 2; ++again) {
      EXPECT_THAT(error_message(ErrorCategory::kCorrupt, [&] { loader.next(batch); }),
                  HasSubstr("record 4 "));
    }
  }
}

TEST_F(BatchLoaderTest, CanBeDestroyedAtAnyTime) {
  const Dataset data = dataset(40);
  for (std::size_t consumed = 0; consumed < 6; ++consumed) {
    BatchLoader loader(data, {.preprocessing = kUnscaled,
                              .training = consumed % 2 == 1,
                              .batch_size = 4,
                              .threads = 3,
                              .prefetch_batches = 1});
    EXPECT_EQ(records_of_batches(loader, consumed).size(), consumed);
  }
}

TEST_F(BatchLoaderTest, RefusesBadOptions) {
  const Dataset data = dataset(1);
  error_message(ErrorCategory::kUsage, [&] { BatchLoader(data, {.batch_size = 0}); });
  error_message(ErrorCategory::kUsage, [&] { BatchLoader(data, {.threads = -1}); });
  error_message(ErrorCategory::kUsage, [&] { BatchLoader(data, {.prefetch_batches = 0}); });
  const Dataset empty = dataset(0);
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt, [&] { BatchLoader(empty, {}); }),
              HasSubstr("has no records"));
}

}  // namespace
}  // namespace narrow
