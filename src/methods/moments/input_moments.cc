#include "methods/moments/input_moments.h"

#include <fmt/format.h>

#include <cstddef>

#include "methods/moments/value_moments.h"
#include "narrow/error.h"

namespace narrow {

InputMoments input_moments(const Graph& graph, const std::vector<Layer>& layers,
                           const WeightSource& weights) {
  const std::vector<ValueMoments> values = value_moments(graph, weights);
  InputMoments moments;
  for (const Layer& layer : layers) {
    const ValueMoments& input = values[static_cast<std::size_t>(layer.input)];
    if (!input.channels) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("what {} sees cannot be estimated: {}", layer.name, input.reason));
    }
    moments[layer.name] = *input.channels;
  }
  return moments;
}

}  // namespace narrow
