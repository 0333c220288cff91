// A network ready to classify: batch norm folded, weights in the layout of this CPU, memory
// planned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "graph/graph.h"
#include "graph/weight_source.h"

namespace narrow {

struct InferenceOptions {
  // Workers of run and run_each, each single-threaded on a core of its own; 0: all available cores.
  int threads = 0;
  // Images that one worker takes through the network at once; 0: chosen for the image size (8 at
  // 224 x 224). Every micro-batch has this size, a shorter last one is filled with zeros.
  int micro_batch = 0;
};

// The largest image side accepted.
constexpr int kLargestImageSide = 8192;

// Logits of images. float32 throughout. Every image goes through the same primitives at the same
// micro-batch, so its logits do not depend, to the bit, on the other images, on its place among
// them, on how calls split them, or on the number of threads. They may differ in the last bits
// between CPUs with other instruction sets and between micro-batch sizes.
//
// Memory: weight_bytes() once (94 MB for ResNet V1 50, and more where 3x3 weights are kept
// transformed for Winograd convolution), and worker_bytes() for each worker that runs at the same
// time, kept for the next call.
//
// All member functions are const and may be called from several threads at once.
class InferenceNetwork {
 public:
  // `height` and `width` of the images in pixels, 1..kLargestImageSide.
  // Throws what check_weights and fold_batch_norm throw; Error(kUsage) for a size or option out of
  // range; Error(kUnsupported) naming a node that is not executed, or when oneDNN cannot do the
  // work here.
  InferenceNetwork(const Graph& graph, const WeightSource& source, int height, int width,
                   const InferenceOptions& options = {});
  ~InferenceNetwork();
  InferenceNetwork(InferenceNetwork&& other) noexcept;
  InferenceNetwork& operator=(InferenceNetwork&& other) noexcept;

  [[nodiscard]] int class_count() const;
  // height * width * channels of the graph's input.
  [[nodiscard]] std::size_t floats_per_image() const;
  [[nodiscard]] int micro_batch() const;
  [[nodiscard]] int threads() const;
  [[nodiscard]] std::size_t weight_bytes() const;
  [[nodiscard]] std::size_t worker_bytes() const;

  // images: `count` x height x width x channels (RGB as preprocessing leaves it); logits: `count` x
  // class_count. Throws Error(kUsage) when the spans have other lengths.
  void run(std::span<const float> images, std::int64_t count, std::span<float> logits) const;

  // Puts image `first` and those that follow into `images`, which has room for 1..micro_batch().
  using FillImages = std::function<void(std::int64_t first, std::span<float> images)>;
  // Takes the logits of image `first` and those that follow.
  using TakeLogits = std::function<void(std::int64_t first, std::span<const float> logits)>;

  // Classifies images 0..count-1 as they are made: each worker calls `fill` for its next
  // micro-batch, runs the network on it and calls `take`, so that decoding on one core overlaps the
  // network on another without a queue between them. Both are called from several threads at once,
  // and in no particular order. The first exception of either ends the work and is rethrown.
  // Throws Error(kUsage) when `count` is negative.
  void run_each(std::int64_t count, const FillImages& fill, const TakeLogits& take) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace narrow
