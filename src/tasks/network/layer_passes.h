// The order in which the layers of a network are quantized, with and without images. Internal to
// this folder.
#pragma once

#include <cstdint>
#include <functional>

#include "model/network_variables.h"
#include "nn/layerwise/activations.h"
#include "tasks/network/batch_portions.h"
#include "tasks/network/layer_quantizer.h"

namespace narrow {

using TakeCost = std::function<void(const Layer&, LayerCost)>;

// Layer by layer, with inputs estimated from the checkpoint. `network` is that of the quantizer.
void quantize_layers(const LoadedNetwork& network, LayerQuantizer& quantizer, const TakeCost& take);

// The images go through the network twice: unquantized, to see what every layer gives, and again
// while it is quantized, each layer fitted to what it gets then. `with_gram` for Rounding::kGptq.
// What is made of them takes `most_bytes` of memory at most, about; the rest of it lies in a file.
// `images` are those of this rank's portions. All ranks call it and have the same network in the
// end; with a gram only the first has results of the layers' weights.
void quantize_layers_with_images(LoadedNetwork& network, LayerQuantizer& quantizer, bool with_gram,
                                 const BatchPortions& portions, Activations images,
                                 std::uint64_t most_bytes, const TakeCost& take);

}  // namespace narrow
