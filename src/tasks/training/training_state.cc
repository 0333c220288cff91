#include "tasks/training/training_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "base/parallel.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr const char* kAverageSuffix = "/ExponentialMovingAverage";

template <typename T>
std::span<std::byte> bytes_of(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

std::span<float> floats_in(std::span<std::byte> bytes) {
  return {reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float)};
}

// A float32 tensor of this name and shape. `values` has as many bytes.
void read_strictly(const CheckpointReader& reader, const std::string& name, const Shape& shape,
                   std::span<std::byte> values) {
  const auto index = reader.find(name);
  const TensorInfo expected{name, DType::kFloat32, shape};
  if (!index || reader.tensors()[*index] != expected) {
    throw Error(
        ErrorCategory::kNotFound,
        fmt::format("{} has no float32 {} of shape {}: the training in its directory had another "
                    "optimizer, other trainable scopes or no moving averages; continue with its "
                    "flags, or name another train_dir and this checkpoint as checkpoint_path",
                    reader.location().path.string(), name, to_string(shape)));
  }
  reader.read(*index, values);
}

bool all_finite(std::span<const float> values) {
  return std::ranges::all_of(values, [](float value) { return std::isfinite(value); });
}

}  // namespace

TrainingState::TrainingState(TrainingNetwork& network, const OptimizerOptions& optimizer,
                             double moving_average_decay)
    : network_(network),
      optimizer_(optimizer),
      moving_average_decay_(moving_average_decay),
      slot_specs_(optimizer_slots(optimizer)),
      companions_(network.parameters().size()),
      powers_(optimizer) {
  const auto parameters = network_.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const TrainedParameter& parameter = parameters[i];
    Companions& own = companions_[i];
    for (std::size_t s = 0; s < slot_specs_.size(); ++s) {
      own.slots[s].assign(parameter.values.size(), slot_specs_[s].initial);
    }
    if (moving_average_decay_ > 0) {
      own.average.assign(parameter.values.begin(), parameter.values.end());
    }
    step_variables_.push_back(
        {parameter.values, parameter.gradients, {own.slots[0], own.slots[1]}, own.average});
  }
  if (moving_average_decay_ <= 0) return;
  for (const Weight& variable : network_.graph().weights) {
    const bool is_parameter = std::ranges::any_of(
        parameters,
        [&](const TrainedParameter& parameter) { return parameter.weight.name == variable.name; });
    if (is_parameter) continue;
    PlainAverage& average = plain_averages_[variable.name];
    average.is_moving_statistic = !is_trainable(variable.role);
    average.values.resize(element_count(variable.shape));
    network_.read(variable.name, average.values);
  }
}

void TrainingState::restore(const CheckpointReader& reader, std::int64_t global_step) {
  global_step_ = global_step;
  const auto parameters = network_.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Weight& variable = parameters[i].weight;
    const auto take = [&](const std::string& suffix, std::vector<float>& values) {
      read_strictly(reader, variable.name + suffix, variable.shape,
                    std::as_writable_bytes(std::span(values)));
    };
    for (std::size_t s = 0; s < slot_specs_.size(); ++s) {
      take(slot_specs_[s].suffix, companions_[i].slots[s]);
    }
    if (moving_average_decay_ > 0) take(kAverageSuffix, companions_[i].average);
  }
  for (auto& [name, average] : plain_averages_) {
    read_strictly(reader, name + kAverageSuffix, network_.find(name)->shape,
                  std::as_writable_bytes(std::span(average.values)));
  }
  if (optimizer_.kind == OptimizerKind::kAdam) {
    read_strictly(reader, "beta1_power", {}, bytes_of(powers_.beta1_power));
    read_strictly(reader, "beta2_power", {}, bytes_of(powers_.beta2_power));
  }
}

GradientSink TrainingState::begin_step(float learning_rate) {
  step_ = {learning_rate, powers_, moving_average_decay_at(moving_average_decay_, global_step_)};
  return sink(step_);
}

GradientSink TrainingState::sink(const OptimizerStep& step) {
  return [this, step](const ParameterPiece& piece) {
    apply_optimizer(optimizer_, step, step_variables_[piece.parameter], piece.first, piece.count);
  };
}

std::vector<std::span<float>> TrainingState::companions(std::size_t parameter) {
  std::vector<std::span<float>> all;
  Companions& own = companions_[parameter];
  for (std::size_t s = 0; s < slot_specs_.size(); ++s) all.emplace_back(own.slots[s]);
  if (!own.average.empty()) all.emplace_back(own.average);
  return all;
}

void TrainingState::finish_step() {
  powers_.advance(optimizer_);
  update_plain_averages(moving_average_decay_at(moving_average_decay_, global_step_));
  ++global_step_;
}

void TrainingState::update_plain_averages(float decay) {
  std::vector<float> values;
  for (auto& [name, average] : plain_averages_) {
    if (!average.is_moving_statistic) continue;
    values.resize(average.values.size());
    network_.read(name, values);
    update_average(average.values, values, decay);
  }
}

bool TrainingState::is_finite() const {
  const auto parameters = network_.parameters();
  std::atomic<bool> finite = true;
  parallel_for(parameters.size(), [&](std::size_t i) {
    if (!all_finite(parameters[i].values)) finite = false;
  });
  std::vector<float> values;
  for (const Weight& variable : network_.graph().weights) {
    if (is_trainable(variable.role)) continue;
    values.resize(element_count(variable.shape));
    network_.read(variable.name, values);
    if (!all_finite(values)) finite = false;
  }
  return finite;
}

std::vector<SavedTensor> TrainingState::tensors() const {
  std::vector<SavedTensor> saved;
  const auto add = [&](std::string name, DType dtype, const Shape& shape, auto fill) {
    SavedTensor& tensor = saved.emplace_back();
    tensor.info.name = std::move(name);
    tensor.info.dtype = dtype;
    tensor.info.shape = shape;
    tensor.fill = std::move(fill);
  };
  const auto add_values = [&](std::string name, DType dtype, const Shape& shape, auto values) {
    add(std::move(name), dtype, shape, [values](std::span<std::byte> out) {
      std::ranges::copy(std::as_bytes(values), out.begin());
    });
  };
  const auto add_floats = [&](const std::string& name, const Shape& shape,
                              const std::vector<float>& values) {
    add_values(name, DType::kFloat32, shape, std::span(values));
  };
  for (const Weight& variable : network_.graph().weights) {
    add(variable.name, DType::kFloat32, variable.shape,
        [this, name = variable.name](std::span<std::byte> out) {
          network_.read(name, floats_in(out));
        });
  }
  const auto parameters = network_.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::string& name = parameters[i].weight.name;
    const Shape& shape = parameters[i].weight.shape;
    for (std::size_t s = 0; s < slot_specs_.size(); ++s) {
      add_floats(name + slot_specs_[s].suffix, shape, companions_[i].slots[s]);
    }
    if (moving_average_decay_ > 0) add_floats(name + kAverageSuffix, shape, companions_[i].average);
  }
  for (const auto& [name, average] : plain_averages_) {
    add_floats(name + kAverageSuffix, network_.find(name)->shape, average.values);
  }
  add_values("global_step", DType::kInt64, {}, std::span(&global_step_, 1));
  if (optimizer_.kind == OptimizerKind::kAdam) {
    add_values("beta1_power", DType::kFloat32, {}, std::span(&powers_.beta1_power, 1));
    add_values("beta2_power", DType::kFloat32, {}, std::span(&powers_.beta2_power, 1));
  }
  return saved;
}

}  // namespace narrow
