#include "narrow/calibrate_network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "methods/moments/channel_statistics.h"
#include "model/network_variables.h"
#include "narrow/quantize_checkpoint.h"
#include "nn/layerwise/layer_walk.h"
#include "nn/testing/batched_images.h"
#include "tasks/network/calibration_images.h"
#include "tasks/testing/noise_dataset.h"

namespace narrow {
namespace {

constexpr std::size_t kRecords = 240;

class Calibrate : public TemporaryDirectoryTest {
 protected:
  Calibrate() { write_noise_dataset(directory(), kRecords); }

  [[nodiscard]] CalibrationImages images(std::uint64_t count) const {
    CalibrationImages images;
    images.source = noise_source(directory(), 32);
    images.count = count;
    return images;
  }

  // The small network with every trainable variable quantized.
  static std::vector<MemoryTensor> quantized(int bits) {
    const auto reader = small_checkpoint(1);
    Scheme scheme;
    scheme.bits = bits;
    MemoryWriter writer;
    quantize_checkpoint(*reader, make_plan(*reader, scheme, {}), {}, writer);
    return writer.tensors;
  }

  static std::vector<MemoryTensor> calibrated(const std::vector<MemoryTensor>& tensors,
                                              const CalibrationImages& images, int threads = 0) {
    MemoryWriter writer;
    calibrate_network(MemoryReader(tensors), images, writer, {.threads = threads});
    return writer.tensors;
  }
};

// Root mean square over all channels of (mean on the images - moving mean) / deviation.
class MeanDifference : public LayerVisitor {
 public:
  explicit MeanDifference(const Weights& weights) : weights_(weights) {}
  void on_output(const Layer& layer, const ActivationBatches& /*x*/,
                 const ActivationBatches& z) override {
    if (!layer.norm) return;
    const ChannelStatistics found = merged(statistics_of_images(z));
    const auto mean = weights_.values(layer.norm->moving_mean);
    for (std::size_t c = 0; c < mean.size(); ++c) {
      sum_ += std::pow(found.mean[c] - mean[c], 2) / found.variance(c, false);
      ++channels_;
    }
  }
  [[nodiscard]] double value() const { return std::sqrt(sum_ / channels_); }

 private:
  const Weights& weights_;
  double sum_ = 0;
  double channels_ = 0;
};

double mean_difference(const std::vector<MemoryTensor>& tensors, const Activations& images) {
  const LoadedNetwork network = load_network(MemoryReader(tensors));
  MeanDifference difference(network.weights);
  walk_layers(network.graph, network.layers, network.weights, in_memory(images), difference);
  return difference.value();
}

TEST_F(Calibrate, MeansOfHeldOutImagesAreMet) {
  const auto before = quantized(3);
  const auto after = calibrated(before, images(kRecords / 2));
  // Every second record was seen; the noise of all is of one kind.
  const Activations all = load_calibration_images(images(kRecords));
  Activations unseen = Activations::zeros(kRecords / 2, 32, 32, 3);
  const auto size = static_cast<std::ptrdiff_t>(all.floats_per_image());
  for (std::ptrdiff_t i = 0; i < unseen.images; ++i) {
    std::copy_n(all.values.begin() + (2 * i + 1) * size, size, unseen.values.begin() + i * size);
  }
  EXPECT_LT(mean_difference(after, unseen), 0.1 * mean_difference(before, unseen));
}

TEST_F(Calibrate, OnlyMovingStatisticsChange) {
  const auto before = quantized(3);
  const auto after = calibrated(before, images(50));
  ASSERT_EQ(after.size(), before.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    ASSERT_EQ(after[i].info, before[i].info);
    const bool is_statistic = before[i].info.name.find("/moving_") != std::string::npos;
    EXPECT_EQ(after[i].bytes == before[i].bytes, !is_statistic) << before[i].info.name;
  }
}

TEST_F(Calibrate, TwiceIsOnce) {
  const auto once = calibrated(quantized(4), images(60));
  MemoryWriter writer;
  const CalibrationResult again = calibrate_network(MemoryReader(once), images(60), writer);
  EXPECT_LT(again.mean_shift(), 1e-5);
  EXPECT_LT(again.spread_shift(), 1e-5);
  EXPECT_EQ(again.images, 60u);
  const std::vector<Layer> all = layers(small_network(10));
  const auto normed = std::ranges::count_if(all, [](const Layer& layer) { return !!layer.norm; });
  EXPECT_EQ(again.layers.size(), static_cast<std::size_t>(normed));
  EXPECT_EQ(again.layers.size(), all.size() - 1);  // the logits have none
}

TEST_F(Calibrate, ThreadsDoNotMatter) {
  const auto tensors = quantized(4);
  const auto expected = calibrated(tensors, images(40), 1);
  const auto found = calibrated(tensors, images(40), 3);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(found[i].bytes, expected[i].bytes) << expected[i].info.name;
  }
}

// Stops after three layers.
class StopAfterThree : public Observer {
 public:
  bool on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) override {
    EXPECT_EQ(unit, ProgressUnit::kImages);
    EXPECT_EQ(total % 40, 0u);
    return done < std::uint64_t{3} * 40;
  }
};

TEST_F(Calibrate, AnObserverStopsItBeforeAnythingIsWritten) {
  StopAfterThree observer;
  MemoryWriter writer;
  try {
    calibrate_network(MemoryReader(quantized(4)), images(40), writer, {.observer = &observer});
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kInterrupted);
  }
  EXPECT_TRUE(writer.tensors.empty());
}

TEST_F(Calibrate, ImagesAreSpreadOverTheSplit) {
  EXPECT_EQ(load_calibration_images(images(100000)).images, static_cast<std::int64_t>(kRecords));
  const Activations all = load_calibration_images(images(kRecords));
  const Activations three = load_calibration_images(images(3));
  const auto size = static_cast<std::ptrdiff_t>(all.floats_per_image());
  EXPECT_TRUE(std::equal(three.values.begin() + 2 * size, three.values.end(),
                         all.values.begin() + 160 * size));
  EXPECT_THROW(load_calibration_images(images(1)), Error);
}

TEST(ChannelStatistics, MergedImagesAreOneSample) {
  Activations x = Activations::zeros(2, 1, 2, 2);
  x.values = {1, 10, 2, 10, 3, 10, 6, 14};
  const ChannelStatistics found = merged(statistics_of_images(x));
  EXPECT_EQ(found.count, 4);
  EXPECT_DOUBLE_EQ(found.mean[0], 3);
  EXPECT_DOUBLE_EQ(found.mean[1], 11);
  EXPECT_DOUBLE_EQ(found.variance(0, false), 3.5);
  EXPECT_DOUBLE_EQ(found.variance(1, true), 4);
}

}  // namespace
}  // namespace narrow
