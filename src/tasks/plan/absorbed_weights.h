// What quantization with absorbed channel scales makes of weights, for damages that know of it.
// Internal to this folder.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/linear_layers.h"
#include "model/network_variables.h"
#include "narrow/checkpoint.h"
#include "narrow/scheme.h"

namespace narrow {

class AbsorbedWeights {
 public:
  // The layers of a network, for images of this size (0: image_size_of). Throws what loading the
  // network throws.
  AbsorbedWeights(const CheckpointReader& reader, int image_size);

  // Whether the tensor is the weight of a layer whose batch norm takes channel scales back.
  [[nodiscard]] bool has(const std::string& name) const { return rows_.contains(name); }
  [[nodiscard]] std::span<const float> values(const std::string& name) const {
    return network_.weights.values(name);
  }

  // The weight after quantization with NetworkMethods::absorb_channel_scales, scales divided out
  // again. Throws Error(kUsage) for a codebook or another granularity than tensor.
  [[nodiscard]] std::vector<float> restored(const std::string& name, const Scheme& scheme) const;

 private:
  // Where the weights of an output channel lie, and how often each tap meets the image.
  struct Rows {
    bool rows_first = false;
    std::size_t columns = 0;
    std::size_t out_channels = 0;
    std::optional<LinearLayer> linear;  // of an ONNX file
    std::vector<double> tap_shares;     // of a ResNet V1
  };

  LoadedNetwork network_;
  std::map<std::string, Rows> rows_;  // by weight
};

}  // namespace narrow
