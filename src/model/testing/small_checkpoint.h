// Test support: a checkpoint of a thin ResNet V1.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/testing/memory_checkpoint.h"
#include "graph/testing/small_resnet.h"

namespace narrow {

using Rename = std::function<std::string(const std::string&)>;

// Every weight of the network and global_step 7.
inline std::vector<MemoryTensor> small_tensors(const Graph& network, std::uint64_t seed,
                                               const Rename& rename = {}) {
  std::vector<MemoryTensor> tensors;
  for (const Weight& weight : network.weights) {
    tensors.push_back(memory_tensor(rename ? rename(weight.name) : weight.name, DType::kFloat32,
                                    weight.shape, small_values(weight, seed)));
  }
  tensors.push_back(memory_tensor("global_step", DType::kInt64, {}, std::vector<std::int64_t>{7}));
  return tensors;
}

inline std::shared_ptr<const CheckpointReader> small_checkpoint(std::uint64_t seed,
                                                                int class_count = 10) {
  return std::make_shared<MemoryReader>(small_tensors(small_network(class_count), seed));
}

}  // namespace narrow
