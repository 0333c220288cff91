// Batch norm re-estimation: the moving statistics of a network recomputed from images.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/image_source.h"
#include "narrow/run_options.h"

namespace narrow {

// Images without their labels: what a network has to see so that something can be learned about the
// inputs of its layers.
struct CalibrationImages {
  // labels_offset has no effect. image_size 0: what the network was made for.
  ImageSource source = {.dataset_split_name = "train"};
  std::uint64_t count = 500;  // spread evenly over the split; at most all of it
  // Of these only numbers part, part + parts, ...: what was chosen with one part is judged by
  // another.
  std::uint64_t part = 0;
  std::uint64_t parts = 1;
  // What methods may take for them, for values between layers and for moments, two sets of weights
  // included. With less, values are computed again more often, and layers of many columns are not
  // fitted to their moments; of a ResNet V1 more values lie in a temporary file.
  std::uint64_t memory_bytes = std::uint64_t{2} << 30;
};

// How far the stored statistics of a layer were from what the images show.
struct LayerCalibration {
  std::string layer;  // scope: "resnet_v1_50/conv1", or that of its batch norm
  // Root mean square over the channels of (new mean - old mean) / old deviation.
  double mean_shift = 0;
  // Root mean square over the channels of ln(new deviation / old deviation).
  double spread_shift = 0;
};

struct NARROW_EXPORT CalibrationResult {
  std::string network;  // scope of its variables
  std::uint64_t images = 0;
  std::vector<LayerCalibration> layers;  // with batch norm, in the order of the network
  double seconds = 0;

  [[nodiscard]] double mean_shift() const;  // root mean square over the layers
  [[nodiscard]] double spread_shift() const;
};

// Copies the checkpoint of a network of TF-Slim with new moving statistics: layer by layer, front
// to back, moving mean and variance (the unbiased one, as training stores it) become mean and
// variance of what the layer gives for the images, when all layers before have their new
// statistics. Sums are merged image by image in double (Chan, Golub, LeVeque, "Algorithms for
// Computing the Sample Variance", 1983). Nothing else changes, so it may follow any quantization.
// The caller calls writer.finish(). Every number of threads gives the same result. Progress counts
// every image once a layer. Memory: the network once, the images, and 1 GiB at most of what is made
// of them; what does not fit is computed again or lies in a temporary file. Throws Error:
// kNotFound, kUsage, kUnsupported and kNumeric for what is no float32 checkpoint of one network
// with batch norms; what the dataset throws; kUsage for fewer than 2 images; kNumeric when a
// layer's output is not finite; kInterrupted.
NARROW_EXPORT CalibrationResult calibrate_network(const CheckpointReader& reader,
                                                  const CalibrationImages& images,
                                                  CheckpointWriter& writer,
                                                  const RunOptions& run = {});

}  // namespace narrow
