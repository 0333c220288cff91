#include "nn/inference/inference_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <tuple>

#include "graph/slim/resnet_v1.h"
#include "graph/testing/hashed_values.h"
#include "narrow/error.h"

namespace narrow {
namespace {

using testing::HasSubstr;

constexpr int kSize = 40;
constexpr int kCount = 11;
constexpr int kClasses = 10;

Graph small_network(int classes = kClasses) {
  return make_resnet_v1({"small", 64, {{16, 2, 2}, {64, 2, 1}}, classes});
}

// Logits of kCount images, by calls of `split` images.
std::vector<float> classify(const InferenceNetwork& network, std::span<const float> images,
                            int split = kCount) {
  std::vector<float> logits(kCount * kClasses);
  for (int first = 0; first < kCount; first += split) {
    const auto count = static_cast<std::size_t>(std::min(split, kCount - first));
    network.run(
        images.subspan(static_cast<std::size_t>(first) * network.floats_per_image(),
                       count * network.floats_per_image()),
        static_cast<std::int64_t>(count),
        std::span(logits).subspan(static_cast<std::size_t>(first) * kClasses, count * kClasses));
  }
  return logits;
}

class InferenceNetworkTest : public testing::Test {
 protected:
  Graph description_ = small_network();
  Weights variables_ = hashed_weights(description_);
  std::vector<float> images_ = hashed_images(kCount, kSize, kSize);

  [[nodiscard]] InferenceNetwork make(InferenceOptions options) const {
    return {description_, variables_, kSize, kSize, options};
  }
};

TEST_F(InferenceNetworkTest, BitsDoNotDependOnThreadsOrSplits) {
  const auto expected = classify(make({.threads = 1, .micro_batch = 4}), images_);
  for (const int threads : {1, 2, 3, 8}) {
    const InferenceNetwork network = make({.threads = threads, .micro_batch = 4});
    for (const int split : {1, 2, 3, 4, 5, 10, 11}) {
      EXPECT_EQ(classify(network, images_, split), expected) << threads << " " << split;
    }
  }
}

TEST_F(InferenceNetworkTest, BitsDoNotDependOnNeighbours) {
  for (const int micro_batch : {1, 2, 4, 5, 16}) {
    const InferenceNetwork network = make({.micro_batch = micro_batch});
    const auto expected = classify(network, images_);
    std::vector<float> reversed;
    for (int i = kCount - 1; i >= 0; --i) {
      const auto* image = images_.data() + static_cast<std::size_t>(i) * network.floats_per_image();
      reversed.insert(reversed.end(), image, image + network.floats_per_image());
    }
    const auto found = classify(network, reversed);
    for (int i = 0; i < kCount; ++i) {
      EXPECT_TRUE(std::equal(expected.begin() + i * kClasses, expected.begin() + (i + 1) * kClasses,
                             found.begin() + (kCount - 1 - i) * kClasses))
          << "micro-batch " << micro_batch << ", image " << i;
    }
  }
}

TEST_F(InferenceNetworkTest, NotANumberStaysInItsImage) {
  const InferenceNetwork network = make({.micro_batch = 4});
  const auto expected = classify(network, images_);
  std::fill_n(images_.begin() + static_cast<std::ptrdiff_t>(network.floats_per_image()),
              network.floats_per_image(), std::numeric_limits<float>::quiet_NaN());
  auto found = classify(network, images_);
  std::copy_n(expected.begin() + kClasses, kClasses, found.begin() + kClasses);
  EXPECT_EQ(found, expected);
}

TEST_F(InferenceNetworkTest, SeveralCallersAtOnce) {
  const InferenceNetwork network = make({.threads = 2, .micro_batch = 2});
  const auto expected = classify(network, images_);
  std::vector<std::vector<float>> found(4);
  {
    std::vector<std::jthread> callers;
    for (auto& logits : found) {
      callers.emplace_back([&] { logits = classify(network, images_, 3); });
    }
  }
  for (const auto& logits : found) EXPECT_EQ(logits, expected);
}

TEST_F(InferenceNetworkTest, RunEachTakesEveryImageOnce) {
  const InferenceNetwork network = make({.threads = 3, .micro_batch = 4});
  const std::size_t floats = network.floats_per_image();
  std::vector<float> logits(kCount * kClasses);
  std::mutex mutex;
  std::vector<std::int64_t> filled;
  network.run_each(
      kCount,
      [&](std::int64_t first, std::span<float> to) {
        std::copy_n(images_.begin() + first * static_cast<std::ptrdiff_t>(floats), to.size(),
                    to.begin());
        const std::lock_guard lock(mutex);
        for (std::size_t i = 0; i < to.size() / floats; ++i) {
          filled.push_back(first + static_cast<std::int64_t>(i));
        }
      },
      [&](std::int64_t first, std::span<const float> from) {
        std::copy(from.begin(), from.end(), logits.begin() + first * kClasses);
      });
  std::sort(filled.begin(), filled.end());
  EXPECT_THAT(filled, testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  EXPECT_EQ(logits, classify(network, images_));
}

TEST_F(InferenceNetworkTest, ExceptionOfALoaderEndsTheWork) {
  const InferenceNetwork network = make({.threads = 2, .micro_batch = 1});
  std::atomic<int> calls = 0;
  const auto broken = [&](std::int64_t first, std::span<float> to) {
    ++calls;
    if (first == 3) throw Error(ErrorCategory::kCorrupt, "image 3 is broken");
    std::fill(to.begin(), to.end(), 0.0F);
  };
  EXPECT_THROW(network.run_each(1000, broken, [](auto, auto) {}), Error);
  EXPECT_LT(calls, 1000);
  EXPECT_EQ(classify(network, images_), classify(make({.micro_batch = 1}), images_));
}

TEST_F(InferenceNetworkTest, NoImagesNoWork) {
  const InferenceNetwork network = make({});
  network.run({}, 0, {});
  network.run_each(0, nullptr, nullptr);
}

TEST_F(InferenceNetworkTest, WrongRequestsAreRefused) {
  const InferenceNetwork network = make({});
  std::vector<float> logits(kCount * kClasses);
  const std::span<const float> images = images_;
  EXPECT_THROW(network.run(images, kCount - 1, logits), Error);
  EXPECT_THROW(network.run(images, -1, logits), Error);
  EXPECT_THROW(network.run_each(-1000, nullptr, nullptr), Error);
  EXPECT_THROW(network.run(images.first(images.size() - 1), kCount, logits), Error);
  EXPECT_THROW(network.run(images, kCount, std::span(logits).first(5)), Error);
  EXPECT_THROW(InferenceNetwork(description_, variables_, 0, kSize), Error);
  EXPECT_THROW(InferenceNetwork(description_, variables_, kSize, kLargestImageSide + 1), Error);
  EXPECT_THROW(std::ignore = make({.threads = -1}), Error);
  EXPECT_THROW(std::ignore = make({.micro_batch = -1}), Error);
}

TEST_F(InferenceNetworkTest, TellsItsMemory) {
  const InferenceNetwork network = make({.micro_batch = 2});
  // conv1's output is the largest activation: two images of 20 x 20 x 64.
  EXPECT_GE(network.worker_bytes(), 2u * 20 * 20 * 64 * sizeof(float));
  EXPECT_GE(network.weight_bytes(), (7u * 7 * 3 * 64 + 64 * 64 * 9) * sizeof(float));
  EXPECT_EQ(network.class_count(), kClasses);
  EXPECT_EQ(network.floats_per_image(), std::size_t{kSize * kSize * 3});
}

TEST_F(InferenceNetworkTest, MicroBatchFollowsTheImageSize) {
  EXPECT_EQ(InferenceNetwork(description_, variables_, 224, 224).micro_batch(), 8);
  EXPECT_EQ(InferenceNetwork(description_, variables_, 32, 32).micro_batch(), 64);
  EXPECT_EQ(InferenceNetwork(description_, variables_, 700, 700).micro_batch(), 1);
}

TEST_F(InferenceNetworkTest, NegativeVarianceIsNamed) {
  variables_.values("small/block2/unit_1/bottleneck_v1/conv2/BatchNorm/moving_variance")[7] = -0.5F;
  try {
    std::ignore = make({});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kNumeric);
    EXPECT_THAT(error.what(), HasSubstr("block2/unit_1/bottleneck_v1/conv2"));
    EXPECT_THAT(error.what(), HasSubstr("channel 7"));
  }
}

std::string complaint(const Graph& network, const WeightSource& source, ErrorCategory category) {
  try {
    check_weights(network, source);
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), category);
    return error.what();
  }
  return "";
}

TEST_F(InferenceNetworkTest, OtherNumberOfClassesIsExplained) {
  const Weights thousand(small_network(1000));
  const std::string text = complaint(description_, thousand, ErrorCategory::kUsage);
  EXPECT_THAT(text, HasSubstr("for 1000 classes, expected 10"));
  EXPECT_THAT(text, HasSubstr("small/logits/weights has shape [1, 1, 256, 1000], expected "
                              "[1, 1, 256, 10]"));
}

TEST_F(InferenceNetworkTest, EveryMissingOrUnfitVariableIsNamed) {
  class Partial : public Weights {
   public:
    using Weights::Weights;
    [[nodiscard]] std::optional<TensorInfo> find(std::string_view name) const override {
      auto info = Weights::find(name);
      if (name.ends_with("conv1/BatchNorm/beta")) return std::nullopt;
      if (info && name == "small/conv1/weights") info->shape = {7, 7, 64, 3};
      if (info && name == "small/logits/biases") info->dtype = DType::kInt64;
      return info;
    }
  };
  const std::string text = complaint(description_, Partial(description_), ErrorCategory::kNotFound);
  EXPECT_THAT(text, HasSubstr("5 missing: small/conv1/BatchNorm/beta; small/block1/unit_1/"));
  EXPECT_THAT(text, HasSubstr("small/block2/unit_2/bottleneck_v1/conv1/BatchNorm/beta"));
  EXPECT_THAT(text, HasSubstr("small/conv1/weights has shape [7, 7, 64, 3], expected "
                              "[7, 7, 3, 64]"));
  EXPECT_THAT(text, HasSubstr("small/logits/biases is of type int64"));
  EXPECT_EQ(complaint(description_, variables_, ErrorCategory::kUsage), "");
}

}  // namespace
}  // namespace narrow
