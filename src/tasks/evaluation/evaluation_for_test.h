// A thin ResNet V1 with arbitrary values and a small dataset, for the tests of this folder.
#pragma once

#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "data/dataset_for_test.h"
#include "nn/resnet_v1.h"
#include "tasks/memory_checkpoint.h"

namespace narrow {

inline ResnetV1 small_network(int class_count) {
  return make_resnet_v1({"resnet_v1_small", 8, {{4, 2, 2}, {8, 3, 2}, {8, 1, 1}}, class_count});
}

inline std::vector<float> small_values(const ModelVariable& variable, std::uint64_t seed) {
  RandomStream stream(seed, variable.name);
  std::vector<float> values(element_count(variable.shape));
  const bool is_scale =
      variable.kind == VariableKind::kGamma || variable.kind == VariableKind::kMovingVariance;
  for (float& value : values) {
    value = static_cast<float>(stream.truncated_normal()) * (is_scale ? 0.1F : 0.3F);
    if (is_scale) value += 1;
  }
  return values;
}

using Rename = std::function<std::string(const std::string&)>;

// Every variable of the network and global_step 7.
inline std::vector<MemoryTensor> small_tensors(const ResnetV1& network, std::uint64_t seed,
                                               const Rename& rename = {}) {
  std::vector<MemoryTensor> tensors;
  for (const ModelVariable& variable : network.variables()) {
    tensors.push_back(memory_tensor(rename ? rename(variable.name) : variable.name, DType::kFloat32,
                                    variable.shape, small_values(variable, seed)));
  }
  tensors.push_back(memory_tensor("global_step", DType::kInt64, {}, std::vector<std::int64_t>{7}));
  return tensors;
}

inline std::shared_ptr<const CheckpointReader> small_checkpoint(std::uint64_t seed,
                                                                int class_count = 10) {
  return std::make_shared<MemoryReader>(small_tensors(small_network(class_count), seed));
}

// cifar10_test.tfrecord with this many 12 x 12 images of noise.
inline void write_noise_dataset(const std::filesystem::path& directory, std::size_t images) {
  const auto path = directory / "cifar10_test.tfrecord";
  std::filesystem::remove(path);
  OutputFile file(path);
  TfRecordWriter writer(file);
  RandomStream stream(1, "noise");
  for (std::size_t i = 0; i < images; ++i) {
    Image image{12, 12, std::vector<std::uint8_t>(12 * 12 * 3)};
    const std::uint64_t level = stream.below(200);
    for (auto& pixel : image.pixels) pixel = static_cast<std::uint8_t>(level + stream.below(56));
    const auto label = static_cast<std::int64_t>(stream.below(10));
    writer.write(as_byte_span(serialize_image_example({encode_png(image), "png", label, 12, 12})));
  }
  file.finish();
}

}  // namespace narrow
