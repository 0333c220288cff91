#include "tasks/network/calibration/network_walk.h"

#include <utility>

#include "tasks/network/correction/layer_values.h"

namespace narrow {
namespace {

class Walk {
 public:
  Walk(const FlatVariables& variables, LayerVisitor& visitor)
      : variables_(variables), visitor_(visitor) {}

  Activations conv(const ConvLayer& layer, const Activations& x) {
    visitor_.on_input(layer, x);
    Activations y = convolve(layer, variables_.values(layer.weights_name()), x);
    visitor_.on_output(layer, x, y);
    const LayerValues values = conv_values(layer, variables_);
    scale_and_shift(values.slope, values.offset, layer.relu, y);
    return y;
  }

  Activations run_unit(const BottleneckUnit& unit, Activations x) {
    Activations shortcut;
    if (unit.shortcut) shortcut = conv(*unit.shortcut, x);
    Activations inner = conv(unit.conv1, x);
    if (!unit.shortcut) shortcut = unit.stride == 1 ? std::move(x) : max_pool(x, 1, unit.stride);
    x = {};
    inner = conv(unit.conv2, inner);
    inner = conv(unit.conv3, inner);
    add_and_rectify(inner, shortcut);
    return shortcut;
  }

 private:
  const FlatVariables& variables_;
  LayerVisitor& visitor_;
};

}  // namespace

void walk_network(const ResnetV1& network, const FlatVariables& variables, Activations images,
                  LayerVisitor& visitor) {
  Walk walk(variables, visitor);
  Activations x = walk.conv(network.conv1, images);
  images = {};
  x = max_pool(x, 3, 2);
  for (const BottleneckUnit& unit : network.units) x = walk.run_unit(unit, std::move(x));
  visitor.on_features(global_mean(x));
}

}  // namespace narrow
