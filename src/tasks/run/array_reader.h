// Arrays in memory as a checkpoint, for what looks at checkpoints.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/run_network.h"

namespace narrow {

// The arrays must outlive this; their names are unique.
class ArrayReader : public CheckpointReader {
 public:
  explicit ArrayReader(std::span<const NamedArray> arrays);
  [[nodiscard]] const CheckpointLocation& location() const override { return location_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return infos_; }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override;

 private:
  CheckpointLocation location_;
  std::span<const NamedArray> arrays_;
  std::vector<TensorInfo> infos_;
};

}  // namespace narrow
