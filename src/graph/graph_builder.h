// Puts graphs together, node by node. Names of values are those of their nodes.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"

namespace narrow {

class GraphBuilder {
 public:
  explicit GraphBuilder(std::string name);

  ValueId input(std::string name, Dimensions dimensions, DType type = DType::kFloat32);
  ValueId weight(Weight weight);
  ValueId constant(std::string name, Constant constant);

  // The results of a node, named like it with ":1", ":2", ... from the second on. Inputs are values
  // of this builder.
  std::vector<ValueId> add_node(std::string name, Attributes attributes,
                                std::vector<ValueId> inputs, std::size_t output_count);
  // The result of a node that has one.
  ValueId add(std::string name, Attributes attributes, std::vector<ValueId> inputs);

  // Weights of a convolution named SCOPE/weights as TensorFlow stores them, HWIO.
  ValueId conv(const std::string& scope, ValueId x, int in_channels, int out_channels,
               const Window& window);
  // The same with biases named SCOPE/biases.
  ValueId conv_with_bias(const std::string& scope, ValueId x, int in_channels, int out_channels,
                         const Window& window);
  // SCOPE/gamma, SCOPE/beta, SCOPE/moving_mean and SCOPE/moving_variance.
  ValueId batch_norm(const std::string& scope, ValueId x, int channels,
                     const op::BatchNormalization& attributes);

  // The graph, once; throws what check() throws.
  Graph finish(std::vector<ValueId> outputs);

 private:
  ValueId new_value(Value value);
  ValueId channel_weight(std::string name, int channels, WeightRole role);
  ValueId kernel(const std::string& scope, int in_channels, int out_channels, const Window& window);

  Graph graph_;
};

}  // namespace narrow
