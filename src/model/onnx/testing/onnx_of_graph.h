// Test support: graphs as ONNX files.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/onnx/testing/onnx_models.h"
#include "graph/graph.h"
#include "graph/weight_source.h"
#include "model/onnx/export_onnx.h"

namespace narrow {

// As the operator has it: from [height, width, in, out] to [out, in, height, width].
inline std::string used_values(const Weight& weight, const WeightSource& source) {
  std::vector<float> values(element_count(weight.shape));
  source.read(weight.name, values);
  std::vector<float> used = values;
  if (weight.layout == WeightLayout::kHwio) {
    const auto out = static_cast<std::size_t>(weight.shape[3]);
    const auto in = static_cast<std::size_t>(weight.shape[2]);
    const std::size_t taps = values.size() / (in * out);
    for (std::size_t i = 0; i < values.size(); ++i) {
      used[(i % out * in + i / out % in) * taps + i / (in * out)] = values[i];
    }
  }
  return {reinterpret_cast<const char*>(used.data()), used.size() * sizeof(float)};
}

// The graph with the values of its weights.
inline onnx::ModelProto onnx_of_graph(const Graph& graph, const WeightSource& source) {
  onnx::ModelProto model = export_onnx(graph);
  for (std::size_t i = 0; i < graph.weights.size(); ++i) {
    model.mutable_graph()
        ->mutable_initializer(static_cast<int>(i))
        ->set_raw_data(used_values(graph.weights[i], source));
  }
  return model;
}

}  // namespace narrow
