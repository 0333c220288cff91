#include "tasks/network/block_rounder.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

#include "narrow/error.h"

namespace narrow {
namespace {

// Of one example: rows of pixels with their channels.
struct ExampleSize {
  std::size_t channels = 1;
  std::size_t height = 1;
  std::size_t width = 1;

  [[nodiscard]] std::size_t floats() const { return channels * height * width; }
};

ExampleSize size_of_example(const Dimensions& value, bool channels_last) {
  const auto at = [&](std::size_t axis) { return static_cast<std::size_t>(value[axis].size); };
  ExampleSize size;
  if (!channels_last) {
    size.channels = at(1);
    if (value.size() == 4) size = {at(1), at(2), at(3)};
    return size;
  }
  size.channels = at(value.size() - 1);
  for (std::size_t axis = 1; axis + 1 < value.size(); ++axis) size.height *= at(axis);
  return size;
}

// Adds an example of a batch with its channels last.
void append_example(const GraphArray& batch, std::size_t index, const ExampleSize& size,
                    bool channels_last, std::vector<float>& to) {
  const float* const from =
      reinterpret_cast<const float*>(batch.bytes.data()) + index * size.floats();
  if (channels_last) {
    to.insert(to.end(), from, from + size.floats());
    return;
  }
  const std::size_t pixels = size.height * size.width;
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    for (std::size_t c = 0; c < size.channels; ++c) to.push_back(from[c * pixels + pixel]);
  }
}

std::size_t place_in_hwio(const LinearLayer& layer, std::size_t index) {
  return layer.hwio_index(layer.channel_at(index), layer.column_at(index));
}

std::vector<float> as_hwio(const LinearLayer& layer, std::span<const float> stored) {
  std::vector<float> kernel(stored.begin(), stored.end());
  for (std::size_t i = 0; layer.rows_first && i < stored.size(); ++i) {
    kernel[place_in_hwio(layer, i)] = stored[i];
  }
  return kernel;
}

std::vector<float> as_stored(const LinearLayer& layer, std::span<const float> kernel) {
  std::vector<float> stored(kernel.begin(), kernel.end());
  for (std::size_t i = 0; layer.rows_first && i < stored.size(); ++i) {
    stored[i] = kernel[place_in_hwio(layer, i)];
  }
  return stored;
}

}  // namespace

std::optional<BlockExamples> BlockRounder::examples(const LayerBlock& block,
                                                    const GraphWalk& reference,
                                                    const GraphWalk& quantized,
                                                    std::uint64_t most_bytes) const {
  if (!block.is_plain || !reference.has_examples(block.input) ||
      !reference.has_examples(block.output)) {
    return std::nullopt;
  }
  const ExampleSize in =
      size_of_example(reference.fact(block.input).dimensions, block.channels_last);
  const ExampleSize out =
      size_of_example(reference.fact(block.output).dimensions, block.channels_last);
  BlockExamples found;
  found.height = static_cast<int>(in.height);
  found.width = static_cast<int>(in.width);
  found.pixels = out.height * out.width;
  const std::size_t all = reference.examples();
  const std::size_t count =
      std::min<std::size_t>(all, most_bytes / ((in.floats() + out.floats()) * sizeof(float)));
  if (count < 2) return std::nullopt;
  found.inputs.reserve(count * in.floats());
  found.wanted.reserve(count * out.floats());
  const auto seen = quantized.program({{block.input}});
  const auto wanted = reference.program({{block.output}});
  std::size_t number = 0;
  for (std::size_t batch = 0; batch < reference.batches(); ++batch) {
    const GraphArray x = seen.run(batch).front();
    const GraphArray t = wanted.run(batch).front();
    for (std::size_t i = 0; i < static_cast<std::size_t>(x.shape.at(0)); ++i, ++number) {
      if ((number + 1) * count / all == number * count / all) continue;
      append_example(x, i, in, block.channels_last, found.inputs);
      append_example(t, i, out, block.channels_last, found.wanted);
      ++found.count;
    }
  }
  return found;
}

std::vector<const LinearLayer*> BlockRounder::rounded_layers(const LayerBlock& block) const {
  std::vector<const LinearLayer*> found;
  for (std::size_t i = block.first; i < block.first + block.count; ++i) {
    if (quantizer_.kernel_grid(layers_[i]) != nullptr) found.push_back(&layers_[i]);
  }
  return found;
}

RoundedKernel BlockRounder::kernel_of(const LinearLayer& layer) const {
  const TensorGrid& grid = *quantizer_.kernel_grid(layer);
  const std::span<const float> now = weights_.values(layer.weights);
  const std::span<const float> exact = quantizer_.exact().values(layer.weights);
  std::vector<std::int64_t> codes(now.size());
  grid.encode(0, now, codes);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const CodeRange& range = grid.codes_of(i);
    codes[i] = std::clamp(codes[i] + (exact[i] > now[i] ? 1 : -1), range.min, range.max);
  }
  std::vector<float> other(now.size());
  grid.decode(0, codes, other);
  return {layer.weights, as_hwio(layer, now), as_hwio(layer, other), as_hwio(layer, exact)};
}

Weights BlockRounder::weights_of(const LayerBlock& block, const Graph& block_graph) const {
  Weights found(block_graph);
  for (const Weight& weight : block_graph.weights) {
    std::ranges::copy(weights_.values(weight.name), found.values(weight.name).begin());
  }
  for (std::size_t i = block.first; i < block.first + block.count; ++i) {
    const std::string& name = layers_[i].weights;
    std::ranges::copy(as_hwio(layers_[i], weights_.values(name)), found.values(name).begin());
  }
  return found;
}

bool BlockRounder::round(const LayerBlock& block, const BlockExamples& examples) {
  const std::vector<const LinearLayer*> layers = rounded_layers(block);
  if (layers.empty()) return false;
  std::vector<RoundedKernel> kernels;
  for (const LinearLayer* layer : layers) kernels.push_back(kernel_of(*layer));
  const Graph small = block_graph(graph_, layers_, block);
  std::optional<std::vector<std::vector<float>>> learned;
  try {
    learned = learn_rounding(small, weights_of(block, small), examples, std::move(kernels));
  } catch (const Error& error) {
    // Such as a pool whose windows reach into padding alone: the block keeps what it has.
    if (error.category() != ErrorCategory::kUnsupported) throw;
  }
  if (!learned) return false;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    quantizer_.replace_kernel(*layers[i], as_stored(*layers[i], (*learned)[i]));
  }
  return true;
}

}  // namespace narrow
