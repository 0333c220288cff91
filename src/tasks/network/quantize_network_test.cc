#include "narrow/quantize_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/testing/expected_error.h"
#include "methods/correction/layer_inputs.h"
#include "model/network_variables.h"
#include "narrow/compare_checkpoints.h"
#include "nn/layerwise/layer_values.h"
#include "nn/layerwise/layer_walk.h"
#include "nn/testing/batched_images.h"
#include "tasks/network/calibration_images.h"
#include "tasks/testing/noise_dataset.h"

namespace narrow {
namespace {

using testing::HasSubstr;

// Weights with channels of different size, as trained networks have.
std::vector<MemoryTensor> tensors() {
  std::vector<MemoryTensor> all = small_tensors(small_network(10), 1);
  for (MemoryTensor& tensor : all) {
    if (tensor.info.shape.size() != 4) continue;
    std::vector<float> values(element_count(tensor.info.shape));
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    const auto depth = static_cast<std::size_t>(tensor.info.shape[3]);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] *= std::exp2(static_cast<float>(i % depth) / static_cast<float>(depth) * 3 - 2);
    }
    tensor = memory_tensor(tensor.info.name, DType::kFloat32, tensor.info.shape, values);
  }
  return all;
}

Scheme scheme_of(SchemeKind kind, int bits) {
  Scheme scheme;
  scheme.kind = kind;
  scheme.bits = bits;
  return scheme;
}

struct Outcome {
  NetworkResult result;
  std::vector<MemoryTensor> tensors;
  std::vector<MemoryTensor> scales;
};

Outcome run(const Scheme& scheme, const NetworkMethods& methods, int threads = 0,
            const Selection& selection = {}) {
  const MemoryReader reader(tensors());
  MemoryWriter writer;
  MemoryWriter scales;
  Outcome run;
  run.result = quantize_network(reader, make_plan(reader, scheme, selection), methods,
                                {.code_statistics = true}, writer, scales, {.threads = threads});
  run.tensors = std::move(writer.tensors);
  run.scales = std::move(scales.tensors);
  return run;
}

// What leaves the batch norms for the images: means of the channels, one layer after the other.
class OutputMeans : public LayerVisitor {
 public:
  explicit OutputMeans(const Weights& weights) : weights_(weights) {}
  void on_output(const Layer& layer, const ActivationBatches& /*x*/,
                 const ActivationBatches& z) override {
    if (!layer.norm) return;
    const LayerValues values = layer_values(layer, weights_);
    const std::vector<Moments> channels = channel_moments(merged(statistics_of_images(z)));
    for (std::size_t c = 0; c < channels.size(); ++c) {
      means.push_back(values.slope[c] * channels[c].mean + values.offset[c]);
    }
  }
  std::vector<double> means;

 private:
  const Weights& weights_;
};

// Root of the mean squared difference of these means between two checkpoints.
double output_distance(const CheckpointReader& a, const CheckpointReader& b,
                       const Activations& images) {
  const auto means = [&](const CheckpointReader& reader) {
    const LoadedNetwork network = load_network(reader);
    OutputMeans visitor(network.weights);
    walk_layers(network.graph, network.layers, network.weights, in_memory(images), visitor);
    return visitor.means;
  };
  const std::vector<double> of_a = means(a);
  const std::vector<double> of_b = means(b);
  double sum = 0;
  for (std::size_t i = 0; i < of_a.size(); ++i) sum += std::pow(of_a[i] - of_b[i], 2);
  return std::sqrt(sum / static_cast<double>(of_a.size()));
}

const NetworkMethods kEverything = {.equalize = true,
                                    .absorb_channel_scales = true,
                                    .rounding = Rounding::kFlips,
                                    .bias_correct = true};

TEST(QuantizeNetwork, WithoutMethodsItIsQuantizeCheckpoint) {
  const MemoryReader reader(tensors());
  for (const SchemeKind kind : {SchemeKind::kBin, SchemeKind::kFixedPoint}) {
    for (const auto granularity : {Granularity::Kind::kTensor, Granularity::Kind::kChannel}) {
      Scheme scheme = scheme_of(kind, 4);
      scheme.granularity.kind = granularity;
      MemoryWriter writer;
      const QuantizeResult expected =
          quantize_checkpoint(reader, make_plan(reader, scheme, {}), {}, writer);
      const Outcome found = run(scheme, {});
      ASSERT_EQ(found.tensors.size(), writer.tensors.size());
      for (std::size_t i = 0; i < writer.tensors.size(); ++i) {
        EXPECT_EQ(found.tensors[i].bytes, writer.tensors[i].bytes) << writer.tensors[i].info.name;
      }
      EXPECT_DOUBLE_EQ(found.result.quantization.summary.mean_relative_l2,
                       expected.summary.mean_relative_l2);
      EXPECT_DOUBLE_EQ(found.result.original.mean_relative_l2, expected.summary.mean_relative_l2);
      EXPECT_TRUE(found.scales.empty());
    }
  }
}

TEST(QuantizeNetwork, AbsorbedScalesGiveChannelsWhatChannelRangesGive) {
  for (const SchemeKind kind : {SchemeKind::kBin, SchemeKind::kFixedPoint}) {
    const Scheme scheme = scheme_of(kind, 4);
    const auto weights_error = [](const Outcome& run) {
      ErrorSummary summary;
      for (const auto& [name, errors] : run.result.original_errors) {
        if (name.ends_with("/weights") && !name.ends_with("logits/weights")) summary.add(errors);
      }
      return summary.mean_relative_l2;
    };
    const double plain = weights_error(run(scheme, {}));
    const double absorbed = weights_error(run(scheme, {.absorb_channel_scales = true}));
    EXPECT_LT(absorbed, 0.7 * plain);
  }
}

TEST(QuantizeNetwork, EveryMethodLessensTheOutputError) {
  const Scheme scheme = scheme_of(SchemeKind::kBin, 3);
  const double plain = run(scheme, {}).result.mean_output_error();
  const double absorbed = run(scheme, {.absorb_channel_scales = true}).result.mean_output_error();
  const double flipped = run(scheme, {.absorb_channel_scales = true, .rounding = Rounding::kFlips})
                             .result.mean_output_error();
  const double everything = run(scheme, kEverything).result.mean_output_error();
  EXPECT_LT(absorbed, plain);
  EXPECT_LT(flipped, absorbed);
  EXPECT_LT(everything, flipped);
}

class QuantizeWithImages : public TemporaryDirectoryTest {
 protected:
  QuantizeWithImages() { write_noise_dataset(directory(), 64); }
  [[nodiscard]] NetworkMethods with_images(NetworkMethods methods) const {
    methods.images.emplace().source = noise_source(directory(), 32);
    return methods;
  }
};

TEST_F(QuantizeWithImages, SecondOrderRoundingLessensTheMeasuredError) {
  const Scheme scheme = scheme_of(SchemeKind::kBin, 3);
  const auto error = [&](NetworkMethods methods) {
    const Outcome outcome = run(scheme, with_images(methods));
    EXPECT_EQ(outcome.result.images, 64u);
    return outcome.result.mean_output_error();
  };
  const double nearest = error({.absorb_channel_scales = true, .bias_correct = true});
  const double gptq =
      error({.absorb_channel_scales = true, .rounding = Rounding::kGptq, .bias_correct = true});
  EXPECT_LT(gptq, 0.8 * nearest);
}

TEST_F(QuantizeWithImages, CorrectionMeetsTheUnquantizedNetwork) {
  const Scheme scheme = scheme_of(SchemeKind::kBin, 3);
  const Activations images = load_calibration_images(*with_images({}).images);
  const MemoryReader original(tensors());
  const auto distance = [&](const Outcome& outcome) {
    return output_distance(original, MemoryReader(outcome.tensors), images);
  };
  const double without = distance(run(scheme, with_images({.rounding = Rounding::kFlips})));
  const double with =
      distance(run(scheme, with_images({.rounding = Rounding::kFlips, .bias_correct = true})));
  EXPECT_LT(with, 0.1 * without);
}

TEST_F(QuantizeWithImages, ThreadsDoNotMatter) {
  const Scheme scheme = scheme_of(SchemeKind::kBin, 3);
  NetworkMethods methods = with_images(kEverything);
  methods.rounding = Rounding::kGptq;
  const Outcome expected = run(scheme, methods, 1);
  const Outcome found = run(scheme, methods, 3);
  for (std::size_t i = 0; i < expected.tensors.size(); ++i) {
    EXPECT_EQ(found.tensors[i].bytes, expected.tensors[i].bytes) << expected.tensors[i].info.name;
  }
}

TEST(QuantizeNetwork, TapsThatMeetPaddingOnlyAreNotFlipped) {
  const Scheme scheme = scheme_of(SchemeKind::kBin, 4);
  // Elements of a 3x3 kernel that sees one pixel of images of this size, beside its centre, that
  // flips give other values than nearest rounding.
  const auto flipped = [&](int image_size) {
    const Outcome nearest = run(scheme, {.bias_correct = true, .image_size = image_size});
    const Outcome flips = run(scheme, {.rounding = Rounding::kFlips, .image_size = image_size});
    int count = 0;
    for (std::size_t i = 0; i < nearest.tensors.size(); ++i) {
      const TensorInfo& info = nearest.tensors[i].info;
      if (!info.name.ends_with("block3/unit_1/bottleneck_v1/conv2/weights")) continue;
      const std::size_t tap_bytes = nearest.tensors[i].bytes.size() / 9;
      for (std::size_t b = 0; b < nearest.tensors[i].bytes.size(); ++b) {
        if (b / tap_bytes == 4) continue;
        count += nearest.tensors[i].bytes[b] != flips.tensors[i].bytes[b] ? 1 : 0;
      }
    }
    return count;
  };
  EXPECT_EQ(flipped(8), 0);
  EXPECT_GT(flipped(224), 0);
}

TEST(QuantizeNetwork, ThreadsDoNotMatter) {
  const Scheme scheme = scheme_of(SchemeKind::kBin, 3);
  const Outcome expected = run(scheme, kEverything, 1);
  for (const int threads : {2, 5}) {
    const Outcome found = run(scheme, kEverything, threads);
    for (std::size_t i = 0; i < expected.tensors.size(); ++i) {
      EXPECT_EQ(found.tensors[i].bytes, expected.tensors[i].bytes);
    }
    for (std::size_t i = 0; i < expected.scales.size(); ++i) {
      EXPECT_EQ(found.scales[i].bytes, expected.scales[i].bytes);
    }
  }
}

class StopAfterFirst : public QuantizeObserver {
 public:
  void on_tensor(const TensorResult& /*result*/, std::size_t /*done*/,
                 std::size_t /*total*/) override {
    ++tensors;
  }
  bool on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) override {
    EXPECT_EQ(unit, ProgressUnit::kBytes);
    EXPECT_LT(done, total);
    return ++calls == 1;
  }
  int calls = 0;
  int tensors = 0;
};

TEST(QuantizeNetwork, AnObserverStopsItBeforeAnythingIsWritten) {
  const MemoryReader reader(tensors());
  const QuantizePlan plan = make_plan(reader, scheme_of(SchemeKind::kBin, 4), {});
  MemoryWriter writer;
  MemoryWriter scales;
  StopAfterFirst observer;
  try {
    quantize_network(reader, plan, kEverything, {}, writer, scales, {.observer = &observer});
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kInterrupted);
  }
  EXPECT_EQ(observer.calls, 2);
  EXPECT_EQ(observer.tensors, 1);
  EXPECT_TRUE(writer.tensors.empty());
}

TEST(QuantizeNetwork, ScalesCanBeUndone) {
  const Outcome scaled = run(scheme_of(SchemeKind::kBin, 20), kEverything);
  MemoryWriter undone;
  undo_channel_scales(MemoryReader(scaled.tensors), MemoryReader(scaled.scales), undone);
  const auto comparison =
      compare_checkpoints(MemoryReader(tensors()), MemoryReader(undone.tensors));
  EXPECT_TRUE(comparison.same_names());
  EXPECT_LT(comparison.max_relative_l2, 1e-4);
  const auto without = compare_checkpoints(MemoryReader(tensors()), MemoryReader(scaled.tensors));
  EXPECT_GT(without.max_relative_l2, 0.1);
}

TEST(QuantizeNetwork, StoredValuesLieOnTheGrid) {
  const Outcome found = run(scheme_of(SchemeKind::kFixedPoint, 4), kEverything);
  for (const TensorResult& tensor : found.result.quantization.tensors) {
    if (!tensor.quantized) continue;
    ASSERT_EQ(tensor.params.size(), 1u);
    const auto stored = std::ranges::find_if(
        found.tensors, [&](const MemoryTensor& t) { return t.info.name == tensor.info.name; });
    std::vector<float> values(element_count(tensor.info.shape));
    std::memcpy(values.data(), stored->bytes.data(), stored->bytes.size());
    std::vector<float> again(values.size());
    round_trip(values, tensor.scheme, tensor.params.front(), again);
    EXPECT_EQ(again, values) << tensor.info.name;
    EXPECT_LE(tensor.codes_used.value(), 16u);
  }
}

std::string message_of(const Scheme& scheme, const NetworkMethods& methods,
                       const Selection& selection = {}) {
  try {
    run(scheme, methods, 0, selection);
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

TEST(QuantizeNetwork, WhatDoesNotGoTogetherIsNamed) {
  Scheme scheme = scheme_of(SchemeKind::kBin, 4);
  EXPECT_THAT(message_of(scheme, kEverything, {{"*/moving_mean"}, {}}),
              HasSubstr("cannot be quantized with them"));
  EXPECT_EQ(remedy_of([&] {
              run(scheme, kEverything, 0, {{"*/moving_mean"}, {}});
            }).kind,
            Remedy::Kind::kExclude);
  scheme.granularity.kind = Granularity::Kind::kChannel;
  EXPECT_THAT(message_of(scheme, {.absorb_channel_scales = true}), HasSubstr("granularity tensor"));
  EXPECT_THAT(message_of(scheme, {.rounding = Rounding::kGptq}), HasSubstr("dataset_name"));
}

TEST(QuantizeNetwork, OnlyNetworksAreTaken) {
  const MemoryReader other({memory_tensor("x", DType::kFloat32, {2}, std::vector<float>{1, 2})});
  const QuantizePlan plan = make_plan(other, scheme_of(SchemeKind::kBin, 4), {});
  NullWriter writer;
  EXPECT_THROW(quantize_network(other, plan, kEverything, {}, writer, writer), Error);
  auto broken = tensors();
  const float not_a_number = std::nanf("");
  std::memcpy(broken[0].bytes.data(), &not_a_number, sizeof(float));
  const MemoryReader reader(std::move(broken));
  EXPECT_THROW(quantize_network(reader, make_plan(reader, scheme_of(SchemeKind::kBin, 4), {}),
                                kEverything, {}, writer, writer),
               Error);
}

}  // namespace
}  // namespace narrow
