// Levels ranges along the linear layers of any graph.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/matchers.h"
#include "graph/weights.h"
#include "methods/scales/channel_scales.h"

namespace narrow {

// What the ranges of a layer's weights are, by LinearLayer::name; layers that are not there are not
// quantized.
struct LayerRanges {
  bool are_rows_alone = false;  // each row has one of its own, or is going to be scaled to one
  bool is_folded = false;       // the slope of the normalization is going to be part of the rows
};
using RangesByLayer = std::map<std::string, LayerRanges>;

// By LinearPath::clipped: the greatest value of each channel there.
using ChannelMaxima = std::map<ValueId, std::vector<double>>;

// Throws Error(kUsage) unless there are paths in the graph.
void require_paths(const std::vector<LinearPath>& paths, const Graph& graph);

// For each channel i of each path multiplies what the second layer takes of it by a factor s_i > 0,
// and divides the rows and biases of the first, or gamma and beta of its normalization, by it. With
// r_i and t_i the largest weight of the channel in the first and in the second layer,
//   s_i = sqrt(r_i / t_i), over their mean in the channels,
// in turns over all paths until nothing changes (Nagel et al., "Data-Free Quantization through
// Weight Equalization and Bias Correction", 2019, section 4.1); r_i counts only where rows that
// share a range change, otherwise s_i = mean(t) / t_i; t_i as a part of the largest weight of each
// row that has a range of its own, and only where a row has several channels. A channel without
// weights keeps 1; others are within [1/8, 8], or [1/1024, 1024] where r_i counts.
// Through Clip s_i is at least 1.1 maxima_i / limit, and 1 where that is above 1 or `maxima` does
// not have the value, so that channels which are not clipped stay so.
// Gives the factors by LinearLayer::name: `output` of the rows, `input` of what they take. Same
// bits on every CPU.
ChannelScales equalize_paths(const std::vector<LinearPath>& paths, const RangesByLayer& ranges,
                             const ChannelMaxima& maxima, Weights& weights);

}  // namespace narrow
