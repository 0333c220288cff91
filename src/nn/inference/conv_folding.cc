#include "nn/inference/conv_folding.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace narrow {
namespace {

void set_window(ConvSizes& sizes, const Window& window) {
  if (sizes.group > 1) sizes.weights.push_back(sizes.group);
  sizes.weights.push_back(sizes.group_outputs());
  sizes.weights.push_back(sizes.group_inputs());
  for (std::size_t axis = 0; axis < window.rank(); ++axis) {
    sizes.weights.push_back(window.kernel[axis]);
    sizes.strides.push_back(window.strides[axis]);
    sizes.dilations.push_back(window.dilations[axis] - 1);
  }
}

class Folder {
 public:
  Folder(ProgramValues& values, const ConvChain& chain, const ConvSizes& sizes)
      : values_(values),
        chain_(chain),
        sizes_(sizes),
        node_(values.graph().nodes[static_cast<std::size_t>(chain.conv)]),
        scale_(static_cast<std::size_t>(sizes.y[1]), 1.0),
        shift_(static_cast<std::size_t>(sizes.y[1]), 0.0) {}

  FoldedWeights run() {
    if (node_.inputs.size() > 2 && node_.inputs[2] != kNoValue) {
      shift_ = values_.stored(node_.inputs[2])->values;
    }
    ValueId value = node_.output();
    for (const int index : chain_.affine) {
      const Node& node = values_.graph().nodes[static_cast<std::size_t>(index)];
      if (std::holds_alternative<op::BatchNormalization>(node.attributes)) {
        fold_norm(node);
      } else {
        fold_binary(node, value);
      }
      value = node.output();
    }
    FoldedWeights folded;
    folded.weights = values_.stored_floats(node_.inputs[1]);
    for (std::size_t i = 0; i < folded.weights.size(); ++i) {
      folded.weights[i] = static_cast<float>(folded.weights[i] * scale_[channel_of(i)]);
    }
    for (const double shift : shift_) folded.biases.push_back(static_cast<float>(shift));
    return folded;
  }

 private:
  // The output channel of a weight.
  [[nodiscard]] std::size_t channel_of(std::size_t i) const {
    const auto outputs = static_cast<std::size_t>(sizes_.group_outputs());
    const auto inputs = static_cast<std::size_t>(sizes_.group_inputs());
    std::size_t taps = 1;
    for (std::size_t axis = 2; axis < sizes_.x.size(); ++axis) {
      taps *= static_cast<std::size_t>(sizes_.weights[sizes_.weights.size() - axis + 1]);
    }
    if (!sizes_.is_transposed) return i / (taps * inputs);
    return i / (taps * outputs * inputs) * outputs + i / taps % outputs;
  }

  void fold_norm(const Node& node) {
    const auto gamma = values_.stored(node.inputs[1]);
    const auto beta = values_.stored(node.inputs[2]);
    const auto mean = values_.stored(node.inputs[3]);
    const auto variance = values_.stored(node.inputs[4]);
    const double epsilon = std::get<op::BatchNormalization>(node.attributes).epsilon;
    for (std::size_t c = 0; c < scale_.size(); ++c) {
      const double factor = gamma->values[c] / std::sqrt(variance->values[c] + epsilon);
      shift_[c] = beta->values[c] - (mean->values[c] - shift_[c]) * factor;
      scale_[c] *= factor;
    }
  }

  void fold_binary(const Node& node, ValueId value) {
    const bool is_first = node.inputs[0] != value;
    const auto other = values_.stored(node.inputs[is_first ? 0 : 1]);
    const auto* const binary = std::get_if<op::Binary>(&node.attributes);
    for (std::size_t c = 0; c < scale_.size(); ++c) {
      const double operand = other->values[other->values.size() == 1 ? 0 : c];
      if (binary == nullptr) {
        shift_[c] += operand;
      } else if (binary->kind == op::BinaryKind::kSub) {
        shift_[c] = is_first ? operand - shift_[c] : shift_[c] - operand;
        if (is_first) scale_[c] = -scale_[c];
      } else {
        const double factor = binary->kind == op::BinaryKind::kMul ? operand : 1 / operand;
        shift_[c] *= factor;
        scale_[c] *= factor;
      }
    }
  }

  ProgramValues& values_;
  const ConvChain& chain_;
  const ConvSizes& sizes_;
  const Node& node_;
  std::vector<double> scale_;
  std::vector<double> shift_;
};

}  // namespace

ConvSizes sizes_of(const op::Conv& conv, Shape x, Shape y) {
  ConvSizes sizes{false, std::move(x), std::move(y), conv.group, {}, {}, {}, {}, {}};
  set_window(sizes, conv.window);
  for (std::size_t axis = 0; axis < conv.window.rank(); ++axis) {
    const WindowPlaces places = window_places(conv.window, axis, sizes.x[axis + 2]);
    sizes.before.push_back(places.before);
    sizes.after.push_back(places.after);
  }
  return sizes;
}

ConvSizes sizes_of(const op::ConvTranspose& conv, Shape x, Shape y) {
  ConvSizes sizes{true, std::move(x), std::move(y), conv.group, {}, {}, {}, {}, {}};
  const Window& window = conv.window;
  set_window(sizes, window);
  const bool is_same =
      window.auto_pad == AutoPad::kSameUpper || window.auto_pad == AutoPad::kSameLower;
  for (std::size_t axis = 0; axis < window.rank(); ++axis) {
    const std::int64_t whole = window.strides[axis] * (sizes.x[axis + 2] - 1) + window.extent(axis);
    std::int64_t before = window.auto_pad == AutoPad::kNotSet ? window.pads[axis] : 0;
    if (is_same || !conv.output_shape.empty()) {
      const std::int64_t more = conv.output_padding.empty() ? 0 : conv.output_padding[axis];
      const std::int64_t cut = std::max<std::int64_t>(whole + more - sizes.y[axis + 2], 0);
      before = window.auto_pad == AutoPad::kSameUpper ? cut / 2 : cut - cut / 2;
    }
    sizes.before.push_back(before);
    sizes.after.push_back(whole - before - sizes.y[axis + 2]);
  }
  return sizes;
}

FoldedWeights fold_conv(ProgramValues& values, const ConvChain& chain, const ConvSizes& sizes) {
  return Folder(values, chain, sizes).run();
}

}  // namespace narrow
