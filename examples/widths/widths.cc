// Prints what every width costs the weights of a network: the kernels of a residual network, as
// they are before training (He and others, "Delving Deep into Rectifiers", 2015).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "narrow/quantize_tensor.h"

namespace {

struct Layer {
  narrow::Shape shape;  // height, width, channels in and out
  std::vector<float> weights;
};

std::vector<Layer> initial_network() {
  std::vector<Layer> layers = {{{7, 7, 3, 64}, {}}};
  for (const std::int64_t width : {64, 128, 256, 512}) {
    layers.push_back({{1, 1, 2 * width, width}, {}});
    layers.push_back({{3, 3, width, width}, {}});
    layers.push_back({{1, 1, width, 4 * width}, {}});
  }
  std::mt19937 random(1);
  for (Layer& layer : layers) {
    const auto& shape = layer.shape;
    const auto inputs = static_cast<float>(shape[0] * shape[1] * shape[2]);
    std::normal_distribution<float> weight(0, std::sqrt(2 / inputs));
    layer.weights.resize(static_cast<std::size_t>(narrow::element_count(shape)));
    for (float& value : layer.weights) value = weight(random);
  }
  return layers;
}

void print_row(const std::vector<Layer>& layers, const narrow::Scheme& scheme) {
  std::vector<double> errors;
  for (const Layer& layer : layers) {
    std::vector<float> restored(layer.weights.size());
    errors.push_back(
        narrow::fake_quantize(layer.weights, layer.shape, scheme, restored).relative_l2());
  }
  double sum = 0;
  for (const double error : errors) sum += error;
  std::printf("%-12s %4d %10.4g %% %7.4g %% %7.4g %%\n",
              std::string(narrow::to_string(scheme.kind)).c_str(), scheme.bits,
              100 * *std::min_element(errors.begin(), errors.end()),
              100 * sum / static_cast<double>(errors.size()),
              100 * *std::max_element(errors.begin(), errors.end()));
}

}  // namespace

int main() {
  const std::vector<Layer> layers = initial_network();
  std::printf("scheme       bits  least error   average   largest\n");
  for (const int bits : {8, 6, 4, 2}) {
    for (const auto kind : {narrow::SchemeKind::kBin, narrow::SchemeKind::kFixedPoint}) {
      narrow::Scheme scheme;
      scheme.kind = kind;
      scheme.bits = bits;
      print_row(layers, scheme);
    }
  }
}
