// Operators that keep a state from one step to the next or have graphs of their own.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace narrow {

struct Graph;

namespace op {

enum class RecurrentKind : std::uint8_t { kRnn, kGru, kLstm };
enum class Direction : std::uint8_t { kForward, kReverse, kBoth };

enum class CellFunction : std::uint8_t {
  kAffine,  // alpha * x + beta
  kElu,
  kHardSigmoid,
  kLeakyRelu,
  kRelu,
  kScaledTanh,  // alpha * tanh(beta * x)
  kSigmoid,
  kSoftplus,
  kSoftsign,
  kTanh,
  kThresholdedRelu,
};
struct CellActivation {
  CellFunction function = CellFunction::kTanh;
  double alpha = 0;
  double beta = 0;
  bool operator==(const CellActivation&) const = default;
};

// Inputs: x [steps, batch, in], weights [directions, gates * hidden, in], recurrent weights
// [directions, gates * hidden, hidden], and possibly biases [directions, 2 * gates * hidden],
// lengths [batch], the first state and, of an LSTM, the first cells [directions, batch, hidden] and
// peepholes [directions, 3 * hidden]. Results: all states [steps, directions, batch, hidden], the
// last ones and, of an LSTM, the last cells. https://onnx.ai/onnx/operators/onnx__LSTM.html, __GRU
struct Recurrent {
  RecurrentKind kind = RecurrentKind::kLstm;
  std::int64_t hidden = 1;
  Direction direction = Direction::kForward;
  std::vector<CellActivation> activations;  // 1, 2 or 3, by kind, for each direction in turn
  double clip = 0;                    // what goes into a gate is kept in [-clip, clip]; 0: not
  bool couples_gates = false;         // LSTM's input_forget: forget = 1 - input
  bool resets_after_product = false;  // GRU's linear_before_reset
  bool batch_first = false;           // layout 1: x [batch, steps, in], states [batch, ...]
  bool operator==(const Recurrent&) const = default;
};

// Inputs: a condition of one element, then what the branches read. The results are those of the
// branch that is taken; both have these inputs, in this order, and no weights of their own.
struct If {
  std::shared_ptr<const Graph> then_branch;
  std::shared_ptr<const Graph> else_branch;
  // Whose results are expected while the condition is not known, where those of the two differ in
  // more than sizes, as where one of them drops an axis.
  bool expects_else = false;
  // Whether the branches are.
  bool operator==(const If& other) const;
};

// Runs its body again and again, as long as the condition holds and at most so many rounds. Inputs:
// the greatest number of rounds and the first condition, each possibly left out, the first states,
// then what the body reads from outside. The body takes the number of the round, the condition, the
// states and what it reads; it gives the condition of the next round, the new states and further
// values, which the rounds are stacked of along a new first axis. Results: the last states, the
// stacks. https://onnx.ai/onnx/operators/onnx__Loop.html
struct Loop {
  std::shared_ptr<const Graph> body;
  std::int64_t states = 0;
  // Whether the bodies are.
  bool operator==(const Loop& other) const;
};

// An axis along which steps go.
struct ScanAxis {
  std::int64_t axis = 0;
  bool reverse = false;  // from the last entry to the first
  bool operator==(const ScanAxis&) const = default;
};

// Runs its body for each entry of sequences. Inputs: the first states, the sequences, then what the
// body reads from outside. The body takes the states, an entry of each sequence and what it reads;
// it gives the new states and entries of new sequences. Results: the last states, the new
// sequences. https://onnx.ai/onnx/operators/onnx__Scan.html
struct Scan {
  std::shared_ptr<const Graph> body;
  std::int64_t states = 0;
  std::vector<ScanAxis> inputs;   // of each sequence
  std::vector<ScanAxis> outputs;  // of each new one
  bool operator==(const Scan& other) const;
};

}  // namespace op
}  // namespace narrow
