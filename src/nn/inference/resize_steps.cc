// Images of another size: along each axis an element is a sum of a few of x with weights.
#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <utility>

#include "graph/rules/fact_rules.h"
#include "nn/inference/native_steps.h"

namespace narrow {
namespace {

struct Tap {
  std::size_t place = 0;
  float weight = 0;
};

// One axis of x as the middle one of three.
struct AxisResize {
  std::size_t outer = 1;
  std::size_t in = 1;
  std::size_t inner = 1;
  std::vector<std::vector<Tap>> taps;  // by place in the result

  // Whether each element of the result is one of x.
  [[nodiscard]] bool only_repeats() const {
    return std::ranges::all_of(
        taps, [](const std::vector<Tap>& sum) { return sum.size() == 1 && sum[0].weight == 1; });
  }

  // Of a few elements, whose number the compiler shall know.
  template <std::size_t kInner>
  void repeat(const float* x, float* y) const {
    for (std::size_t o = 0; o < outer; ++o, x += in * kInner) {
      for (const std::vector<Tap>& sum : taps) {
        std::memcpy(y, x + sum[0].place * kInner, kInner * sizeof(float));
        y += kInner;
      }
    }
  }

  void run(const float* x, float* y) const {
    if (only_repeats()) {
      if (inner == 1) return repeat<1>(x, y);
      if (inner == 8) return repeat<8>(x, y);
      if (inner == 16) return repeat<16>(x, y);
    }
    for (std::size_t o = 0; o < outer; ++o, x += in * inner) {
      for (const std::vector<Tap>& sum : taps) {
        if (sum.size() == 1 && sum[0].weight == 1) {
          std::memcpy(y, x + sum[0].place * inner, inner * sizeof(float));
        } else {
          std::fill_n(y, inner, 0.0F);
          for (const Tap& tap : sum) {
            const float* const from = x + tap.place * inner;
            for (std::size_t i = 0; i < inner; ++i) y[i] += tap.weight * from[i];
          }
        }
        y += inner;
      }
    }
  }
};

// The taps are what the reference operator makes of each unit vector.
std::vector<std::vector<Tap>> taps_of(op::Resize resize, std::int64_t size,
                                      const ReferenceTensor* scales, const ReferenceTensor* sizes) {
  resize.axes = {1};
  ReferenceTensor units = ReferenceTensor::zeros({size, size});
  const auto count = static_cast<std::size_t>(size);
  for (std::size_t i = 0; i < count; ++i) units.values[i * count + i] = 1;
  const std::array<const ReferenceTensor*, 4> inputs = {&units, nullptr, scales, sizes};
  const ReferenceTensor made = run_operator(resize, inputs);
  const std::size_t results = made.values.size() / count;
  std::vector<std::vector<Tap>> taps(results);
  for (std::size_t i = 0; i < made.values.size(); ++i) {
    if (made.values[i] == 0) continue;
    taps[i % results].push_back({i / results, static_cast<float>(made.values[i])});
  }
  return taps;
}

// By axis of Resize: the scale or the size alone, as an operand.
ReferenceTensor entry_of(const ReferenceTensor& all, std::size_t index) {
  ReferenceTensor one = {{1}, {}, all.type};
  if (all.is_real()) {
    one.values = {all.values[index]};
  } else {
    one.integers = {all.integers[index]};
  }
  return one;
}

class Resizer {
 public:
  Resizer(ProgramValues& values, const Node& node, const op::Resize& resize)
      : values_(values), node_(node), resize_(resize) {}

  bool add() {
    // Unit vectors of longer axes take more memory than they save time.
    constexpr std::int64_t kLongestAxis = 4096;
    const Shape x = *values_.shape_of(node_.inputs[0]);
    const Shape y = *values_.shape_of(node_.output());
    if (resize_.places == op::ResizePlaces::kTfCropAndResize ||
        resize_.keep != op::ResizeKeep::kStretch || x.size() < 3) {
      return false;
    }
    const auto scales = operand(2);
    const auto sizes = operand(3);
    if ((scales == nullptr) == (sizes == nullptr)) return false;
    std::vector<std::int64_t> axes = resize_.axes;
    if (axes.empty()) {
      axes.resize(x.size());
      std::iota(axes.begin(), axes.end(), 0);
    }
    HeldValue from = values_.at(node_.inputs[0]);
    Shape now = axes_in_memory(from);
    std::vector<AxisResize> steps;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const std::size_t axis = axis_of(axes[i], x.size());
      const bool stays = x[axis] == y[axis] && (scales == nullptr || scales->values.at(i) == 1);
      if (stays) continue;
      if (axis < 2 || x[axis] > kLongestAxis) return false;
      const ReferenceTensor scale = scales ? entry_of(*scales, i) : ReferenceTensor();
      const ReferenceTensor size = sizes ? entry_of(*sizes, i) : ReferenceTensor();
      steps.push_back(
          {1, static_cast<std::size_t>(x[axis]), 1,
           taps_of(resize_, x[axis], scales ? &scale : nullptr, sizes ? &size : nullptr)});
      for (std::size_t other = 0; other < now.size(); ++other) {
        if (other < axis) steps.back().outer *= static_cast<std::size_t>(now[other]);
        if (other > axis) steps.back().inner *= static_cast<std::size_t>(now[other]);
      }
      now[axis] = y[axis];
    }
    if (steps.empty()) return false;
    add_steps(from, steps);
    return true;
  }

 private:
  // A scale or size that is known; null when it is not there.
  std::shared_ptr<const ReferenceTensor> operand(std::size_t index) {
    if (index >= node_.inputs.size() || node_.inputs[index] == kNoValue) return nullptr;
    if (!values_.is_stored(node_.inputs[index])) return nullptr;
    auto stored = values_.stored(node_.inputs[index]);
    return stored->size() > 0 ? stored : nullptr;
  }

  void add_steps(const HeldValue& x, const std::vector<AxisResize>& steps) {
    StepArgument from = argument(x);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      StepArgument to;
      if (i + 1 == steps.size()) {
        to = argument(values_.define(node_.output(), x.blocked));
      } else {
        to.buffer = values_.builder().new_buffer(steps[i].outer * steps[i].taps.size() *
                                                 steps[i].inner * sizeof(float));
      }
      values_.builder().add_function(
          [step = steps[i]](std::span<float* const> places) { step.run(places[0], places[1]); },
          {from, to});
      from = to;
    }
  }

  ProgramValues& values_;
  const Node& node_;
  const op::Resize& resize_;
};

}  // namespace

bool add_resize_step(ProgramValues& values, const Node& node) {
  const auto* const resize = std::get_if<op::Resize>(&node.attributes);
  if (resize == nullptr || !values.is_array(node.inputs[0]) || values.is_stored(node.inputs[0])) {
    return false;
  }
  return Resizer(values, node, *resize).add();
}

}  // namespace narrow
