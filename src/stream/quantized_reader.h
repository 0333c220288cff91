// A checkpoint with some tensors quantized and restored, made in memory when they are read.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/quantize_plan.h"

namespace narrow {

// Names, types, shapes and everything else are those of the original, so whoever reads it need not
// know. A stream of a quantized tensor holds the whole of it.
class QuantizedReader : public CheckpointReader {
 public:
  // Both must outlive this. Opening a tensor of the plan that has a scheme throws Error(kNumeric)
  // for NaN or infinite values under NonFinitePolicy::kError.
  QuantizedReader(const CheckpointReader& original, const QuantizePlan& plan,
                  NonFinitePolicy non_finite);

  [[nodiscard]] const CheckpointLocation& location() const override { return original_.location(); }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override {
    return original_.tensors();
  }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override;
  [[nodiscard]] std::vector<std::string> read_strings(std::size_t index) const override {
    return original_.read_strings(index);
  }
  [[nodiscard]] std::map<std::string, std::string> metadata() const override {
    return original_.metadata();
  }

 private:
  const CheckpointReader& original_;
  std::map<std::size_t, Scheme> schemes_;  // by position in tensors()
  NonFinitePolicy non_finite_;
};

}  // namespace narrow
