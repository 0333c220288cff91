// RNN, GRU and LSTM, one example and one step after the other.
#include <algorithm>
#include <cmath>

#include "nn/reference/reference_kernels.h"

namespace narrow::reference {
namespace {

double activate(const op::CellActivation& of, double x) {
  switch (of.function) {
    case op::CellFunction::kAffine:
      return of.alpha * x + of.beta;
    case op::CellFunction::kElu:
      return x < 0 ? of.alpha * std::expm1(x) : x;
    case op::CellFunction::kHardSigmoid:
      return std::clamp(of.alpha * x + of.beta, 0.0, 1.0);
    case op::CellFunction::kLeakyRelu:
      return x < 0 ? of.alpha * x : x;
    case op::CellFunction::kRelu:
      return std::max(x, 0.0);
    case op::CellFunction::kScaledTanh:
      return of.alpha * std::tanh(of.beta * x);
    case op::CellFunction::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case op::CellFunction::kSoftplus:
      return std::log1p(std::exp(-std::abs(x))) + std::max(x, 0.0);
    case op::CellFunction::kSoftsign:
      return x / (1 + std::abs(x));
    case op::CellFunction::kTanh:
      return std::tanh(x);
    case op::CellFunction::kThresholdedRelu:
      return x > of.alpha ? x : 0;
  }
  return x;
}

// The parameters of one direction: rows of gates, each `hidden` of them.
class Cell {
 public:
  Cell(const op::Recurrent& of, Inputs inputs, std::size_t direction)
      : of_(of), hidden_(static_cast<std::size_t>(of.hidden)) {
    rows_ = static_cast<std::size_t>(inputs[1]->shape[1]);
    in_ = static_cast<std::size_t>(inputs[1]->shape[2]);
    weights_ = inputs[1]->values.data() + direction * rows_ * in_;
    recurrent_ = inputs[2]->values.data() + direction * rows_ * hidden_;
    if (input_at(inputs, 3) != nullptr) biases_ = inputs[3]->values.data() + direction * 2 * rows_;
    if (input_at(inputs, 7) != nullptr) {
      peepholes_ = inputs[7]->values.data() + direction * 3 * hidden_;
    }
    const std::size_t count = of.kind == op::RecurrentKind::kLstm  ? 3
                              : of.kind == op::RecurrentKind::kGru ? 2
                                                                   : 1;
    functions_ = std::span(of.activations).subspan(direction * count, count);
  }

  // Takes one step: `state` and `cells` [hidden] become the next ones.
  void step(const double* x, std::vector<double>& state, std::vector<double>& cells) const {
    switch (of_.kind) {
      case op::RecurrentKind::kRnn:
        step_rnn(x, state);
        break;
      case op::RecurrentKind::kGru:
        step_gru(x, state);
        break;
      case op::RecurrentKind::kLstm:
        step_lstm(x, state, cells);
        break;
    }
  }

 private:
  [[nodiscard]] double from_input(std::size_t row, const double* x) const {
    double sum = biases_ == nullptr ? 0 : biases_[row];
    for (std::size_t i = 0; i < in_; ++i) sum += weights_[row * in_ + i] * x[i];
    return sum;
  }
  [[nodiscard]] double from_state(std::size_t row, const std::vector<double>& state) const {
    double sum = biases_ == nullptr ? 0 : biases_[rows_ + row];
    for (std::size_t i = 0; i < hidden_; ++i) sum += recurrent_[row * hidden_ + i] * state[i];
    return sum;
  }
  [[nodiscard]] double gate(std::size_t function, double x) const {
    if (of_.clip > 0) x = std::clamp(x, -of_.clip, of_.clip);
    return activate(functions_[function], x);
  }

  void step_rnn(const double* x, std::vector<double>& state) const {
    std::vector<double> next(hidden_);
    for (std::size_t i = 0; i < hidden_; ++i) {
      next[i] = gate(0, from_input(i, x) + from_state(i, state));
    }
    state = std::move(next);
  }

  // Gates: update, reset, hidden.
  void step_gru(const double* x, std::vector<double>& state) const {
    std::vector<double> reset(hidden_);
    std::vector<double> kept(hidden_);
    for (std::size_t i = 0; i < hidden_; ++i) {
      reset[i] = gate(0, from_input(hidden_ + i, x) + from_state(hidden_ + i, state));
      kept[i] = reset[i] * state[i];
    }
    std::vector<double> next(hidden_);
    for (std::size_t i = 0; i < hidden_; ++i) {
      const double update = gate(0, from_input(i, x) + from_state(i, state));
      const std::size_t row = 2 * hidden_ + i;
      const double recurrent =
          of_.resets_after_product ? reset[i] * from_state(row, state) : from_state(row, kept);
      const double candidate = gate(1, from_input(row, x) + recurrent);
      next[i] = (1 - update) * candidate + update * state[i];
    }
    state = std::move(next);
  }

  // Gates: input, output, forget, cell; peepholes: input, output, forget.
  void step_lstm(const double* x, std::vector<double>& state, std::vector<double>& cells) const {
    std::vector<double> next(hidden_);
    const auto sum = [&](std::size_t row) { return from_input(row, x) + from_state(row, state); };
    const auto peep = [&](std::size_t which, std::size_t i) {
      return peepholes_ == nullptr ? 0 : peepholes_[which * hidden_ + i] * cells[i];
    };
    for (std::size_t i = 0; i < hidden_; ++i) {
      const double input = gate(0, sum(i) + peep(0, i));
      const double forget =
          of_.couples_gates ? 1 - input : gate(0, sum(2 * hidden_ + i) + peep(2, i));
      const double candidate = gate(1, sum(3 * hidden_ + i));
      cells[i] = forget * cells[i] + input * candidate;
      const double output = gate(0, sum(hidden_ + i) + peep(1, i));
      next[i] = output * activate(functions_[2], cells[i]);
    }
    state = std::move(next);
  }

  const op::Recurrent& of_;
  std::size_t hidden_;
  std::size_t rows_ = 0;
  std::size_t in_ = 0;
  const double* weights_ = nullptr;
  const double* recurrent_ = nullptr;
  const double* biases_ = nullptr;     // null: none
  const double* peepholes_ = nullptr;  // null: none
  std::span<const op::CellActivation> functions_;
};

// Where examples and steps lie.
struct Places {
  std::size_t steps = 0;
  std::size_t batch = 0;
  std::size_t directions = 1;
  std::size_t hidden = 0;
  bool batch_first = false;

  [[nodiscard]] std::size_t input(std::size_t step, std::size_t example) const {
    return batch_first ? example * steps + step : step * batch + example;
  }
  [[nodiscard]] std::size_t output(std::size_t step, std::size_t direction,
                                   std::size_t example) const {
    return (batch_first ? (example * steps + step) * directions + direction
                        : (step * directions + direction) * batch + example) *
           hidden;
  }
  [[nodiscard]] std::size_t state(std::size_t direction, std::size_t example) const {
    return (batch_first ? example * directions + direction : direction * batch + example) * hidden;
  }
};

std::vector<double> first_state(const ReferenceTensor* from, std::size_t at, std::size_t hidden) {
  std::vector<double> state(hidden, 0);
  if (from != nullptr) std::copy_n(from->values.data() + at, hidden, state.begin());
  return state;
}

std::size_t length_of(Inputs inputs, std::size_t example, std::size_t steps) {
  const ReferenceTensor* const lengths = input_at(inputs, 4);
  if (lengths == nullptr) return steps;
  const std::int64_t length = lengths->integers[example];
  if (length < 0 || static_cast<std::size_t>(length) > steps) {
    refuse("a sequence of " + std::to_string(length) + " steps of " + std::to_string(steps));
  }
  return static_cast<std::size_t>(length);
}

}  // namespace

void run(const op::Recurrent& recurrent, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  const auto in = static_cast<std::size_t>(x.shape[2]);
  Places places = {static_cast<std::size_t>(x.shape[0]), static_cast<std::size_t>(x.shape[1]),
                   static_cast<std::size_t>(inputs[1]->shape[0]),
                   static_cast<std::size_t>(recurrent.hidden), recurrent.batch_first};
  if (recurrent.batch_first) std::swap(places.steps, places.batch);
  for (std::size_t direction = 0; direction < places.directions; ++direction) {
    const Cell cell(recurrent, inputs, direction);
    const bool is_reverse = recurrent.direction == op::Direction::kReverse || direction == 1;
    for (std::size_t example = 0; example < places.batch; ++example) {
      const std::size_t at = places.state(direction, example);
      std::vector<double> state = first_state(input_at(inputs, 5), at, places.hidden);
      std::vector<double> cells = first_state(input_at(inputs, 6), at, places.hidden);
      const std::size_t length = length_of(inputs, example, places.steps);
      for (std::size_t i = 0; i < length; ++i) {
        const std::size_t step = is_reverse ? length - 1 - i : i;
        cell.step(x.values.data() + places.input(step, example) * in, state, cells);
        std::ranges::copy(state,
                          outputs[0].values.begin() +
                              static_cast<std::ptrdiff_t>(places.output(step, direction, example)));
      }
      std::ranges::copy(state, outputs[1].values.begin() + static_cast<std::ptrdiff_t>(at));
      if (outputs.size() < 3) continue;
      std::ranges::copy(cells, outputs[2].values.begin() + static_cast<std::ptrdiff_t>(at));
    }
  }
}

}  // namespace narrow::reference
