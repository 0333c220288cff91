#include "nn/training/training_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "graph/matchers.h"
#include "narrow/error.h"
#include "nn/inference/inference_network.h"
#include "nn/training/logits_head.h"
#include "nn/training/trainable_graph.h"
#include "nn/training/training_program.h"
#include "nn/training/training_threads.h"
#include "nn/training/training_variables.h"

namespace narrow {
namespace {

template <typename Number>
void require_in_range(const char* what, Number value, Number least, Number most) {
  if (value >= least && value <= most) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("The {} is {}, expected {} to {}.", what, value, least, most));
}

void require_length(const char* what, std::size_t found, std::size_t expected) {
  if (found == expected) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("The {} are {} values, expected {}.", what, found, expected));
}

void require_labels(std::span<const std::int32_t> labels, int class_count) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= 0 && labels[i] < class_count) continue;
    throw Error(ErrorCategory::kUsage,
                fmt::format("The label of image {} of the batch is {}, expected 0 to {}.", i,
                            labels[i], class_count - 1));
  }
}

void check_options(const TrainingOptions& options) {
  require_in_range("number of images in a batch", options.batch_size, 1, 1 << 16);
  require_in_range("height of the images", options.height, 1, kLargestImageSide);
  require_in_range("width of the images", options.width, 1, kLargestImageSide);
  require_in_range("number of threads", options.threads, 0, 1 << 16);
  require_in_range("decay of the batch norm", options.batch_norm_decay.value_or(0), 0.0, 1.0);
  require_in_range("weight of further outputs", options.auxiliary_weight, 0.0, 1e6);
  require_in_range("share that Dropout keeps", options.dropout_keep_prob.value_or(1), 1e-6, 1.0);
  require_in_range("label smoothing", options.label_smoothing, 0.0, 1.0);
  require_in_range("weight decay", options.weight_decay, 0.0, 1e6);
}

}  // namespace

struct TrainingNetwork::State {
  State(const Graph& original, const WeightSource& initial, const TrainingOptions& requested)
      : graph(original),
        options(requested),
        threads(threads_of(requested)),
        trainable(graph, options.height, options.width),
        variables(graph, initial, options),
        program(trainable, options, variables) {
    for (const TrainingUnit* output : trainable.outputs()) {
      const double weight = heads.empty() ? 1 : options.auxiliary_weight;
      heads.emplace_back(*output, weight, options.label_smoothing, variables);
    }
  }

  [[nodiscard]] std::size_t floats_per_image() const {
    return trainable.size(graph.inputs[0]).floats();
  }
  [[nodiscard]] const TrainingUnit& first_output() const { return *trainable.outputs().front(); }
  [[nodiscard]] std::size_t feature_channels() const {
    return static_cast<std::size_t>(first_output().linear->in_channels);
  }
  [[nodiscard]] bool trains_only_logits() const {
    const TrainingUnit& logits = first_output();
    return std::ranges::all_of(variables.parameters(), [&](const TrainedParameter& parameter) {
      return parameter.weight.name == logits.linear->weights ||
             parameter.weight.name == logits.bias;
    });
  }
  void require_labels(std::span<const std::int32_t> labels) const {
    for (const TrainingUnit* output : trainable.outputs()) {
      narrow::require_labels(labels, output->linear->out_channels);
    }
  }
  void require_constant_features() const {
    if (options.batch_norm != BatchNormMode::kFrozen) {
      throw Error(ErrorCategory::kUsage,
                  "Features depend on the batch unless batch normalization is frozen.");
    }
    if (heads.size() == 1 && std::ranges::none_of(graph.nodes, is_any<op::Dropout>)) return;
    throw Error(ErrorCategory::kUsage,
                "Features are those of a network with one output and without dropout.");
  }

  void update_moving_statistics() {
    if (options.batch_norm == BatchNormMode::kFrozen) return;
    for (const auto& unit : program.units()) {
      if (!unit->norm) continue;
      unit->norm->update_moving_statistics(
          options.batch_norm_decay.value_or(unit->view.norm->decay));
    }
  }
  void show_statistics(const BatchStatisticsObserver& observer) const {
    if (!observer || options.batch_norm == BatchNormMode::kFrozen) return;
    for (const auto& unit : program.units()) {
      if (!unit->norm) continue;
      const UnitNorm& norm = *unit->view.norm;
      observer({unit->view.name, norm.moving_mean, norm.moving_variance, unit->norm->mean(),
                unit->norm->variance(), unit->norm->rows()});
    }
  }
  void forward(const float* images, const ValueObserver* observer = nullptr) {
    program.forward(images, dropout_step, observer);
  }
  // After forward(). Leaves the gradients of all logits in the heads.
  StepLoss take_losses(std::span<const std::int32_t> labels) {
    StepLoss loss = heads.front().forward(program.features(0), labels);
    for (std::size_t i = 1; i < heads.size(); ++i) {
      loss.auxiliary +=
          options.auxiliary_weight * heads[i].forward(program.features(i), labels).cross_entropy;
    }
    return loss;
  }
  // After take_losses().
  StepLoss backward(StepLoss loss, const GradientSink& sink) {
    variables.begin_backward(is_finite(loss) ? sink : GradientSink());
    for (std::size_t i = 0; i < heads.size(); ++i) {
      heads[i].backward(program.features(i), program.feature_gradients(i));
    }
    if (program.has_backward()) program.backward();
    return with_regularization(loss, variables.end_backward());
  }
  // The same for features that were computed before, of the only output.
  StepLoss backward_features(StepLoss loss, const float* features, const GradientSink& sink) {
    variables.begin_backward(is_finite(loss) ? sink : GradientSink());
    heads.front().backward(features, nullptr);
    return with_regularization(loss, variables.end_backward());
  }
  static bool is_finite(const StepLoss& loss) {
    return std::isfinite(loss.cross_entropy) && std::isfinite(loss.auxiliary);
  }
  static StepLoss with_regularization(StepLoss loss, double regularization) {
    loss.regularization = regularization;
    loss.total = loss.cross_entropy + loss.auxiliary + loss.regularization;
    return loss;
  }

  Graph graph;
  TrainingOptions options;
  int threads;
  TrainableGraph trainable;
  TrainingVariables variables;
  TrainingProgram program;
  std::vector<LogitsHead> heads;  // by output
  std::uint64_t dropout_step = 0;
};

float scale_of_step(float step) {
  return std::max(std::abs(step), std::numeric_limits<float>::min());
}

TrainingNetwork::TrainingNetwork(const Graph& graph, const WeightSource& initial,
                                 const TrainingOptions& options) {
  check_options(options);
  check_weights(graph, initial);
  state_ = on_threads(threads_of(options), "build",
                      [&] { return std::make_unique<State>(graph, initial, options); });
}

TrainingNetwork::~TrainingNetwork() = default;

const Graph& TrainingNetwork::graph() const { return state_->graph; }
const TrainingOptions& TrainingNetwork::options() const { return state_->options; }

void TrainingNetwork::set_step(std::uint64_t step) { state_->dropout_step = step; }

StepLoss TrainingNetwork::forward_backward(std::span<const float> images,
                                           std::span<const std::int32_t> labels,
                                           const GradientSink& sink) {
  State& s = *state_;
  const auto batch = static_cast<std::size_t>(s.options.batch_size);
  require_length("images", images.size(), batch * s.floats_per_image());
  require_length("labels", labels.size(), batch);
  s.require_labels(labels);
  return on_threads(s.threads, "train", [&] {
    s.variables.update_effective_values();
    s.forward(images.data());
    const StepLoss loss = s.take_losses(labels);
    s.update_moving_statistics();
    return s.backward(loss, sink);
  });
}

StepLoss TrainingNetwork::forward_only(std::span<const float> images,
                                       std::span<const std::int32_t> labels,
                                       const BatchStatisticsObserver& observer) {
  State& s = *state_;
  const auto batch = static_cast<std::size_t>(s.options.batch_size);
  require_length("images", images.size(), batch * s.floats_per_image());
  if (!labels.empty()) require_length("labels", labels.size(), batch);
  s.require_labels(labels);
  return on_threads(s.threads, "run", [&] {
    s.variables.update_effective_values();
    s.forward(images.data());
    s.show_statistics(observer);
    if (labels.empty()) return StepLoss();
    return State::with_regularization(s.take_losses(labels), s.variables.regularization());
  });
}

void TrainingNetwork::observe_values(std::span<const float> images, const ValueObserver& observer) {
  State& s = *state_;
  const auto batch = static_cast<std::size_t>(s.options.batch_size);
  require_length("images", images.size(), batch * s.floats_per_image());
  on_threads(s.threads, "run", [&] {
    s.variables.update_effective_values();
    s.forward(images.data(), &observer);
  });
}

void TrainingNetwork::features(std::span<const float> images, std::span<float> features) {
  State& s = *state_;
  s.require_constant_features();
  const std::size_t image = s.floats_per_image();
  const std::size_t count = images.size() / image;
  require_length("images", images.size(), count * image);
  require_length("features", features.size(), count * s.feature_channels());
  const auto batch = static_cast<std::size_t>(s.options.batch_size);
  std::vector<float> padded;
  on_threads(s.threads, "run", [&] {
    s.variables.update_effective_values();
    for (std::size_t first = 0; first < count; first += batch) {
      const std::size_t now = std::min(batch, count - first);
      std::span<const float> part = images.subspan(first * image, now * image);
      if (now < batch) {
        padded.assign(part.begin(), part.end());
        padded.resize(batch * image);
        part = padded;
      }
      s.forward(part.data());
      std::copy_n(s.program.features(0), now * s.feature_channels(),
                  features.subspan(first * s.feature_channels()).begin());
    }
  });
}

StepLoss TrainingNetwork::forward_backward_features(std::span<const float> features,
                                                    std::span<const std::int32_t> labels,
                                                    const GradientSink& sink) {
  State& s = *state_;
  s.require_constant_features();
  if (!s.trains_only_logits()) {
    throw Error(ErrorCategory::kUsage,
                "Only the logits can be trained on features that were computed before; other "
                "weights are to be trained too.");
  }
  require_length("features", features.size(), labels.size() * s.feature_channels());
  require_length("labels", labels.size(), std::max<std::size_t>(labels.size(), 1));
  s.require_labels(labels);
  return on_threads(s.threads, "train", [&] {
    s.variables.update_effective_values();
    const StepLoss loss = s.heads.front().forward(features.data(), labels);
    return s.backward_features(loss, features.data(), sink);
  });
}

std::span<const TrainedParameter> TrainingNetwork::parameters() const {
  return state_->variables.parameters();
}

std::optional<TensorInfo> TrainingNetwork::find(std::string_view name) const {
  return state_->variables.values().find(name);
}

void TrainingNetwork::read(std::string_view name, std::span<float> values) const {
  state_->variables.values().read(name, values);
}

void TrainingNetwork::write(std::string_view name, std::span<const float> values) {
  require_length("values of the weight", values.size(),
                 state_->variables.values().values(name).size());
  state_->variables.write(name, values);
}

}  // namespace narrow
