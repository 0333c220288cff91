#include "tasks/evaluation/image_network.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "model/onnx/onnx_network.h"
#include "nn/execution/make_executor.h"

namespace narrow {
namespace {

constexpr std::size_t kPixelChannels = 3;
// Images that go through a graph at once: enough for their weights not to count.
constexpr int kMicroBatch = 8;

class ResnetV1Network final : public ImageNetwork {
 public:
  explicit ResnetV1Network(InferenceNetwork network) : network_(std::move(network)) {}

  [[nodiscard]] std::uint64_t weight_bytes() const override { return network_.weight_bytes(); }
  void run(std::span<const float> images, std::int64_t count,
           std::span<float> logits) const override {
    network_.run(images, count, logits);
  }
  void run_each(std::int64_t count, const InferenceNetwork::FillImages& fill,
                const InferenceNetwork::TakeLogits& take) const override {
    network_.run_each(count, fill, take);
  }

 private:
  InferenceNetwork network_;
};

// The weights of a graph in memory, as the checkpoint stores them.
class StoredWeights {
 public:
  StoredWeights(const Graph& graph, const CheckpointReader& reader,
                const CheckpointVariables& variables) {
    for (const Weight& weight : graph.weights) {
      const TensorInfo info = *variables.find(weight.name);
      GraphArray array{info.dtype, info.shape, {}};
      if (weight.type == DType::kFloat32 && info.dtype != weight.type && !is_onnx(reader)) {
        std::vector<float> values(static_cast<std::size_t>(element_count(info.shape)));
        variables.read(weight.name, values);
        const auto bytes = std::as_bytes(std::span(values));
        array.type = DType::kFloat32;
        array.bytes.assign(bytes.begin(), bytes.end());
      } else {
        array.bytes.resize(info.byte_size());
        reader.read(*reader.find(info.name), array.bytes);
      }
      bytes_ += array.bytes.size();
      arrays_.emplace(weight.name, std::move(array));
    }
  }
  [[nodiscard]] const GraphArray& at(const std::string& name) const { return arrays_.at(name); }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  std::map<std::string, GraphArray> arrays_;
  std::uint64_t bytes_ = 0;
};

class GraphNetwork final : public ImageNetwork {
 public:
  GraphNetwork(ImageClassifier classifier, const CheckpointReader& reader,
               const CheckpointVariables& variables, int height, int width, int threads)
      : channels_last_(classifier.channels_last),
        micro_batch_(classifier.one_by_one ? 1 : kMicroBatch),
        threads_(threads),
        pixels_(static_cast<std::size_t>(height) * static_cast<std::size_t>(width)),
        classes_(static_cast<std::size_t>(classifier.class_count)),
        weights_(std::make_shared<StoredWeights>(classifier.graph, reader, variables)) {
    Graph& graph = classifier.graph;
    Dimensions sizes = {micro_batch_, static_cast<std::int64_t>(kPixelChannels), height, width};
    if (channels_last_) std::rotate(sizes.begin() + 1, sizes.begin() + 2, sizes.end());
    for (const Dimension& size : sizes) shape_.push_back(size.size);
    graph.values[static_cast<std::size_t>(graph.inputs.front())].dimensions = std::move(sizes);
    executor_ = make_executor(
        std::move(graph),
        [weights = weights_](const Weight& weight) { return weights->at(weight.name); }, {});
  }

  [[nodiscard]] std::uint64_t weight_bytes() const override { return weights_->bytes(); }

  void run(std::span<const float> images, std::int64_t count,
           std::span<float> logits) const override {
    run_each(
        count,
        [&](std::int64_t first, std::span<float> to) {
          const auto from = static_cast<std::size_t>(first) * image_floats();
          std::ranges::copy(images.subspan(from, to.size()), to.begin());
        },
        [&](std::int64_t first, std::span<const float> from) {
          const auto to = static_cast<std::size_t>(first) * classes_;
          std::ranges::copy(from, logits.subspan(to, from.size()).begin());
        });
  }

  void run_each(std::int64_t count, const InferenceNetwork::FillImages& fill,
                const InferenceNetwork::TakeLogits& take) const override {
    const std::int64_t parts = (count + micro_batch_ - 1) / micro_batch_;
    const auto workers = static_cast<std::size_t>(std::min<std::int64_t>(threads_, parts));
    // Relaxed: it numbers the parts, and puts no order between the workers.
    std::atomic<std::int64_t> next = 0;
    parallel_for(workers, [&](std::size_t) {
      std::vector<float> images(static_cast<std::size_t>(micro_batch_) * image_floats());
      for (auto part = next.fetch_add(1, std::memory_order_relaxed); part < parts;
           part = next.fetch_add(1, std::memory_order_relaxed)) {
        const std::int64_t first = part * micro_batch_;
        const auto used =
            static_cast<std::size_t>(std::min<std::int64_t>(micro_batch_, count - first));
        fill(first, std::span(images).first(used * image_floats()));
        std::ranges::fill(std::span(images).subspan(used * image_floats()), 0.0F);
        const std::vector<float> logits = classify(images);
        take(first, std::span(logits).first(used * classes_));
      }
    });
  }

 private:
  [[nodiscard]] std::size_t image_floats() const { return pixels_ * kPixelChannels; }

  [[nodiscard]] std::vector<float> classify(std::span<const float> images) const {
    const GraphArray input{DType::kFloat32, shape_, as_the_input_has_it(images)};
    const GraphArrays outputs = executor_->run(std::span(&input, 1), nullptr);
    std::vector<float> logits(outputs.front().bytes.size() / sizeof(float));
    std::memcpy(logits.data(), outputs.front().bytes.data(), logits.size() * sizeof(float));
    return logits;
  }

  [[nodiscard]] std::vector<std::byte> as_the_input_has_it(std::span<const float> images) const {
    std::vector<std::byte> bytes(images.size_bytes());
    if (channels_last_) {
      std::memcpy(bytes.data(), images.data(), bytes.size());
      return bytes;
    }
    for (std::size_t image = 0; image < images.size(); image += image_floats()) {
      for (std::size_t i = 0; i < image_floats(); ++i) {
        const std::size_t to = image + i % kPixelChannels * pixels_ + i / kPixelChannels;
        std::memcpy(bytes.data() + to * sizeof(float), &images[image + i], sizeof(float));
      }
    }
    return bytes;
  }

  bool channels_last_;
  int micro_batch_;
  int threads_;
  std::size_t pixels_;
  std::size_t classes_;
  std::shared_ptr<const StoredWeights> weights_;
  Shape shape_;  // of the input
  std::unique_ptr<GraphExecutor> executor_;
};

}  // namespace

std::unique_ptr<ImageNetwork> make_slim_network(const Graph& graph, const WeightSource& source,
                                                int height, int width, int threads) {
  return std::make_unique<ResnetV1Network>(
      InferenceNetwork(graph, source, height, width, {.threads = threads}));
}

std::unique_ptr<ImageNetwork> make_graph_network(ImageClassifier classifier,
                                                 const CheckpointReader& reader,
                                                 const CheckpointVariables& variables, int height,
                                                 int width, int threads) {
  check_weights(classifier.graph, variables);
  return std::make_unique<GraphNetwork>(std::move(classifier), reader, variables, height, width,
                                        threads);
}

}  // namespace narrow
