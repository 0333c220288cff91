#include "tasks/evaluation/image_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "graph/rules/batch_axis.h"
#include "narrow/error.h"
#include "nn/execution/quantized_execution.h"
#include "nn/reference/fold_constants.h"
#include "tensor/element_values.h"

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
      if (weight.type == DType::kFloat32 && info.dtype != weight.type) {
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

// A graph on micro-batches of examples, each a few floats, of which `inputs_of` makes its inputs.
class GraphNetwork final : public ImageNetwork {
 public:
  using InputsOf = std::function<GraphArrays(std::span<const float> examples)>;
  struct Sizes {
    int micro_batch = 1;
    std::size_t example_floats = 1;
    std::size_t outputs = 1;  // numbers for an example
    int threads = 1;
    Execution execution = Execution::kFloat;
    IntegerArithmetic arithmetic = {};
  };

  // The graph is for `sizes.micro_batch` examples.
  GraphNetwork(Graph graph, const Sizes& sizes, InputsOf inputs_of,
               std::shared_ptr<const StoredWeights> weights)
      : sizes_(sizes), inputs_of_(std::move(inputs_of)), weights_(std::move(weights)) {
    // Codes are constants.
    for (const Constant& constant : graph.constants) constant_bytes_ += constant.bytes.size();
    executor_ = make_executor(
        std::move(graph),
        [weights = weights_](const Weight& weight) { return weights->at(weight.name); }, {},
        sizes_.execution, sizes_.arithmetic);
  }

  [[nodiscard]] std::uint64_t weight_bytes() const override {
    return weights_->bytes() + constant_bytes_;
  }

  void run(std::span<const float> images, std::int64_t count,
           std::span<float> logits) const override {
    run_each(
        count,
        [&](std::int64_t first, std::span<float> to) {
          const auto from = static_cast<std::size_t>(first) * sizes_.example_floats;
          std::ranges::copy(images.subspan(from, to.size()), to.begin());
        },
        [&](std::int64_t first, std::span<const float> from) {
          const auto to = static_cast<std::size_t>(first) * sizes_.outputs;
          std::ranges::copy(from, logits.subspan(to, from.size()).begin());
        });
  }

  void run_each(std::int64_t count, const InferenceNetwork::FillImages& fill,
                const InferenceNetwork::TakeLogits& take) const override {
    const std::int64_t micro_batch = sizes_.micro_batch;
    const std::int64_t parts = (count + micro_batch - 1) / micro_batch;
    const auto workers = static_cast<std::size_t>(std::min<std::int64_t>(sizes_.threads, parts));
    // Relaxed: it numbers the parts, and puts no order between the workers.
    std::atomic<std::int64_t> next = 0;
    parallel_for(workers, [&](std::size_t) {
      std::vector<float> images(static_cast<std::size_t>(micro_batch) * sizes_.example_floats);
      for (auto part = next.fetch_add(1, std::memory_order_relaxed); part < parts;
           part = next.fetch_add(1, std::memory_order_relaxed)) {
        const std::int64_t first = part * micro_batch;
        const auto used =
            static_cast<std::size_t>(std::min<std::int64_t>(micro_batch, count - first));
        fill(first, std::span(images).first(used * sizes_.example_floats));
        std::ranges::fill(std::span(images).subspan(used * sizes_.example_floats), 0.0F);
        const std::vector<float> logits = outputs_of(images);
        take(first, std::span(logits).first(used * sizes_.outputs));
      }
    });
  }

 private:
  // The numbers of each example one after another, of all outputs.
  [[nodiscard]] std::vector<float> outputs_of(std::span<const float> examples) const {
    const auto micro_batch = static_cast<std::size_t>(sizes_.micro_batch);
    std::vector<float> numbers(micro_batch * sizes_.outputs);
    std::size_t place = 0;
    for (const GraphArray& output : executor_->run(inputs_of_(examples), nullptr)) {
      const std::vector<float> values = as_floats(output);
      const std::size_t row = values.size() / micro_batch;
      if (place + row > sizes_.outputs) break;
      for (std::size_t i = 0; i < micro_batch; ++i) {
        std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(i * row), row,
                    numbers.begin() + static_cast<std::ptrdiff_t>(i * sizes_.outputs + place));
      }
      place += row;
    }
    if (place == sizes_.outputs) return numbers;
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("the network gives another number of values for some examples than the "
                            "{} that its description says",
                            sizes_.outputs));
  }

  static std::vector<float> as_floats(const GraphArray& array) {
    if (array.type == DType::kFloat32) {
      std::vector<float> values(array.bytes.size() / sizeof(float));
      std::memcpy(values.data(), array.bytes.data(), array.bytes.size());
      return values;
    }
    const std::vector<double> reals = decode_reals(array.type, array.bytes);
    std::vector<float> values(reals.size());
    std::ranges::transform(reals, values.begin(), [](double x) { return static_cast<float>(x); });
    return values;
  }

  Sizes sizes_;
  InputsOf inputs_of_;
  std::shared_ptr<const StoredWeights> weights_;
  std::uint64_t constant_bytes_ = 0;
  std::unique_ptr<GraphExecutor> executor_;
};

// Images from height x width x channels to planes.
std::vector<std::byte> as_planes(std::span<const float> images, std::size_t pixels) {
  std::vector<std::byte> bytes(images.size_bytes());
  const std::size_t image_floats = pixels * kPixelChannels;
  for (std::size_t image = 0; image < images.size(); image += image_floats) {
    for (std::size_t i = 0; i < image_floats; ++i) {
      const std::size_t to = image + i % kPixelChannels * pixels + i / kPixelChannels;
      std::memcpy(bytes.data() + to * sizeof(float), &images[image + i], sizeof(float));
    }
  }
  return bytes;
}

// Whether examples go through the graph each by itself, once what is known of it is computed.
bool keeps_examples_apart(const Graph& graph) {
  try {
    return !mixed_examples(fold_constants(graph)).has_value();
  } catch (const Error&) {
    return false;  // some size in it fits one number of examples only
  }
}

}  // namespace

std::unique_ptr<ImageNetwork> make_slim_network(const Graph& graph, const WeightSource& source,
                                                int height, int width, int threads) {
  return std::make_unique<ResnetV1Network>(
      InferenceNetwork(graph, source, height, width, {.threads = threads}));
}

std::unique_ptr<ImageNetwork> make_graph_network(ImageClassifier classifier,
                                                 const CheckpointReader& reader,
                                                 const CheckpointVariables& variables, int height,
                                                 int width, int threads, Execution execution,
                                                 const IntegerArithmetic& arithmetic) {
  check_weights(classifier.graph, variables);
  auto weights = std::make_shared<StoredWeights>(classifier.graph, reader, variables);
  const int micro_batch = classifier.one_by_one ? 1 : kMicroBatch;
  const std::size_t pixels = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  Shape shape = {micro_batch, static_cast<std::int64_t>(kPixelChannels), height, width};
  if (classifier.channels_last) std::rotate(shape.begin() + 1, shape.begin() + 2, shape.end());
  Graph& graph = classifier.graph;
  graph.values[static_cast<std::size_t>(graph.inputs.front())].dimensions.assign(shape.begin(),
                                                                                 shape.end());
  const GraphNetwork::InputsOf inputs_of = [shape, pixels, last = classifier.channels_last](
                                               std::span<const float> images) -> GraphArrays {
    const auto bytes = std::as_bytes(images);
    return {{DType::kFloat32, shape,
             last ? std::vector(bytes.begin(), bytes.end()) : as_planes(images, pixels)}};
  };
  const GraphNetwork::Sizes sizes = {micro_batch,
                                     pixels * kPixelChannels,
                                     static_cast<std::size_t>(classifier.class_count),
                                     threads,
                                     execution,
                                     arithmetic};
  return std::make_unique<GraphNetwork>(std::move(graph), sizes, inputs_of, std::move(weights));
}

std::unique_ptr<ImageNetwork> make_array_network(ArrayClassifier classifier,
                                                 const ArrayExamples& examples,
                                                 const CheckpointReader& reader,
                                                 const CheckpointVariables& variables, int threads,
                                                 Execution execution,
                                                 const IntegerArithmetic& arithmetic) {
  Graph& graph = classifier.graph;
  check_weights(graph, variables);
  auto weights = std::make_shared<StoredWeights>(graph, reader, variables);
  const int micro_batch = keeps_examples_apart(graph) ? kMicroBatch : 1;
  std::vector<DType> types;
  for (const ValueId id : graph.inputs) {
    Value& input = graph.values[static_cast<std::size_t>(id)];
    input.dimensions.front() = micro_batch;
    types.push_back(input.type);
  }
  const GraphNetwork::InputsOf inputs_of = [&examples, types](std::span<const float> positions) {
    const std::vector<std::size_t> chosen(positions.begin(), positions.end());
    return examples.take(chosen, types);
  };
  const GraphNetwork::Sizes sizes = {
      micro_batch, 1, static_cast<std::size_t>(classifier.outputs), threads, execution, arithmetic};
  return std::make_unique<GraphNetwork>(std::move(graph), sizes, inputs_of, std::move(weights));
}

}  // namespace narrow
