// Operators that have graphs of their own.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include "graph/rules/fact_rules.h"
#include "nn/reference/reference_kernels.h"
#include "nn/reference/reference_network.h"

namespace narrow::reference {
namespace {

// A loop that a file says never ends shall not.
constexpr std::int64_t kMostRounds = std::int64_t{1} << 20;

std::vector<ReferenceTensor> run_graph(const Graph& graph,
                                       const std::vector<ReferenceTensor>& inputs) {
  return run_reference(graph, WeightReader(), inputs);
}

// Of one element, in the shape that the graph's input has.
ReferenceTensor one_of(const Graph& graph, std::size_t input, std::int64_t value) {
  const Value& declared = graph.value(graph.inputs[input]);
  ReferenceTensor x = ReferenceTensor::zeros(Shape(declared.dimensions.size(), 1), declared.type);
  x.integers.front() = value;
  return x;
}

// Calls copy(element of the whole, element of the entry) for the elements of entry `index` along
// `axis` of a value of this shape.
template <typename Copy>
void for_each_of_entry(const Shape& whole, std::size_t axis, std::int64_t index, const Copy& copy) {
  std::size_t inner = 1;
  for (std::size_t i = axis + 1; i < whole.size(); ++i) inner *= static_cast<std::size_t>(whole[i]);
  std::size_t outer = 1;
  for (std::size_t i = 0; i < axis; ++i) outer *= static_cast<std::size_t>(whole[i]);
  const auto size = static_cast<std::size_t>(whole[axis]);
  for (std::size_t i = 0; i < outer; ++i) {
    for (std::size_t j = 0; j < inner; ++j) {
      copy((i * size + static_cast<std::size_t>(index)) * inner + j, i * inner + j);
    }
  }
}

ReferenceTensor entry_of(const ReferenceTensor& x, std::size_t axis, std::int64_t index) {
  Shape shape = x.shape;
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  ReferenceTensor entry = ReferenceTensor::zeros(std::move(shape), x.type);
  for_each_of_entry(x.shape, axis, index, [&](std::size_t from, std::size_t to) {
    if (x.is_real()) {
      entry.values[to] = x.values[from];
    } else {
      entry.integers[to] = x.integers[from];
    }
  });
  return entry;
}

// Entries of one shape along a new axis.
class Stack {
 public:
  [[nodiscard]] bool is_empty() const { return entries_.empty(); }
  void add(ReferenceTensor entry) {
    if (!entries_.empty() && entry.shape != entries_.front().shape) {
      refuse(fmt::format("its rounds give values {} and {}, which cannot be stacked",
                         to_string(entries_.front().shape), to_string(entry.shape)));
    }
    entries_.push_back(std::move(entry));
  }

  // Of at least one entry.
  [[nodiscard]] ReferenceTensor take(const op::ScanAxis& along) const {
    Shape shape = entries_.front().shape;
    const std::size_t axis = axis_of(along.axis, shape.size() + 1);
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), std::ssize(entries_));
    ReferenceTensor y = ReferenceTensor::zeros(std::move(shape), entries_.front().type);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const ReferenceTensor& entry = entries_[i];
      const std::size_t place = along.reverse ? entries_.size() - 1 - i : i;
      for_each_of_entry(y.shape, axis, static_cast<std::int64_t>(place),
                        [&](std::size_t to, std::size_t from) {
                          if (y.is_real()) {
                            y.values[to] = entry.values[from];
                          } else {
                            y.integers[to] = entry.integers[from];
                          }
                        });
    }
    return y;
  }

 private:
  std::vector<ReferenceTensor> entries_;
};

Facts facts_of(const Attributes& attributes, Inputs inputs) {
  Facts facts;
  for (const ReferenceTensor* input : inputs) {
    facts.push_back(
        input == nullptr ? Fact() : Fact{input->type, {input->shape.begin(), input->shape.end()}});
  }
  std::vector<const Fact*> known;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    known.push_back(inputs[i] == nullptr ? nullptr : &facts[i]);
  }
  return infer_facts(attributes, known);
}

// Of a stack without entries: it has the known sizes of `fact`, 0 for others.
ReferenceTensor empty_stack(const op::ScanAxis& along, const Fact& fact) {
  Shape shape;
  for (const Dimension& size : fact.dimensions) shape.push_back(size.is_free() ? 0 : size.size);
  shape[axis_of(along.axis, shape.size())] = 0;
  return ReferenceTensor::zeros(std::move(shape), fact.type);
}

// The stacks, which are the results of the operator behind its states, each along one axis.
void give_stacks(const Attributes& attributes, Inputs inputs, const std::vector<Stack>& stacks,
                 const std::vector<op::ScanAxis>& along, Outputs outputs) {
  const std::size_t first = outputs.size() - stacks.size();
  const bool is_empty = !stacks.empty() && stacks.front().is_empty();
  const Facts facts = is_empty ? facts_of(attributes, inputs) : Facts();
  for (std::size_t i = 0; i < stacks.size(); ++i) {
    outputs[first + i] =
        is_empty ? empty_stack(along[i], facts[first + i]) : stacks[i].take(along[i]);
  }
}

}  // namespace

void run(const op::If& branches, Inputs inputs, Outputs outputs) {
  const Graph& branch = *(is_true(*inputs[0], 0) ? branches.then_branch : branches.else_branch);
  std::vector<ReferenceTensor> read;
  for (const ReferenceTensor* input : inputs.subspan(1)) read.push_back(*input);
  std::vector<ReferenceTensor> results = run_graph(branch, read);
  std::ranges::move(results, outputs.begin());
}

void run(const op::Loop& loop, Inputs inputs, Outputs outputs) {
  const auto states = static_cast<std::size_t>(loop.states);
  const ReferenceTensor* const most = input_at(inputs, 0);
  const ReferenceTensor* const first = input_at(inputs, 1);
  const std::int64_t rounds = most == nullptr ? INT64_MAX : most->integers.front();
  bool goes_on = first == nullptr || is_true(*first, 0);
  std::vector<ReferenceTensor> read(2);
  for (std::size_t i = 2; i < inputs.size(); ++i) read.push_back(*inputs[i]);
  std::vector<Stack> stacks(outputs.size() - states);
  for (std::int64_t round = 0; round < rounds && goes_on; ++round) {
    if (round == kMostRounds) refuse(fmt::format("it runs more than {} rounds", kMostRounds));
    read[0] = one_of(*loop.body, 0, round);
    read[1] = one_of(*loop.body, 1, 1);
    std::vector<ReferenceTensor> results = run_graph(*loop.body, read);
    goes_on = is_true(results[0], 0);
    for (std::size_t i = 0; i < states; ++i) read[2 + i] = std::move(results[1 + i]);
    for (std::size_t i = 0; i < stacks.size(); ++i)
      stacks[i].add(std::move(results[1 + states + i]));
  }
  for (std::size_t i = 0; i < states; ++i) outputs[i] = std::move(read[2 + i]);
  give_stacks(loop, inputs, stacks, std::vector<op::ScanAxis>(stacks.size()), outputs);
}

void run(const op::Scan& scan, Inputs inputs, Outputs outputs) {
  const auto states = static_cast<std::size_t>(scan.states);
  const std::size_t sequences = scan.inputs.size();
  std::vector<std::size_t> axes;
  std::int64_t steps = 0;
  for (std::size_t i = 0; i < sequences; ++i) {
    const Shape& shape = inputs[states + i]->shape;
    axes.push_back(axis_of(scan.inputs[i].axis, shape.size()));
    steps = shape[axes.back()];
  }
  std::vector<ReferenceTensor> read;
  for (const ReferenceTensor* input : inputs) read.push_back(*input);
  std::vector<Stack> stacks(scan.outputs.size());
  for (std::int64_t step = 0; step < steps; ++step) {
    for (std::size_t i = 0; i < sequences; ++i) {
      const std::int64_t index = scan.inputs[i].reverse ? steps - 1 - step : step;
      read[states + i] = entry_of(*inputs[states + i], axes[i], index);
    }
    std::vector<ReferenceTensor> results = run_graph(*scan.body, read);
    for (std::size_t i = 0; i < states; ++i) read[i] = std::move(results[i]);
    for (std::size_t i = 0; i < stacks.size(); ++i) stacks[i].add(std::move(results[states + i]));
  }
  for (std::size_t i = 0; i < states; ++i) outputs[i] = std::move(read[i]);
  give_stacks(scan, inputs, stacks, scan.outputs, outputs);
}

}  // namespace narrow::reference
