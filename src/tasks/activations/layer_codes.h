// From the weights that a quantization gave to codes with one scale for each output channel.
// Internal to this folder.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/linear_layers.h"
#include "methods/activations/quantized_network.h"
#include "narrow/checkpoint.h"
#include "narrow/quantize_plan.h"

namespace narrow {

// Tensors in memory, as a job writes them.
class TensorStore final : public CheckpointWriter {
 public:
  void add(const TensorInfo& info) override;
  void write(std::span<const std::byte> values) override;
  void write_strings(std::span<const std::string> /*values*/) override {}
  void finish() override {}

  // Throws Error(kNotFound) when there is none of this name.
  [[nodiscard]] const TensorInfo& info(const std::string& name) const;
  [[nodiscard]] const std::vector<std::byte>& bytes(const std::string& name) const;
  // Of a floating-point type.
  [[nodiscard]] std::vector<double> numbers(const std::string& name) const;

 private:
  struct Entry {
    TensorInfo info;
    std::vector<std::byte> bytes;
  };
  [[nodiscard]] const Entry& entry(const std::string& name) const;

  std::map<std::string, Entry> entries_;
  std::vector<Entry*> order_;  // in which values come
  std::size_t next_ = 0;       // that is not whole
};

// Nothing for a layer whose weights were not quantized. Scales are rounded to float32, batch norms
// folded. Fixed-point codes keep scales that are powers of two: where a norm has other slopes, its
// products with `original`, the weights before they were quantized, are quantized instead (empty:
// with the quantized ones, which methods made). Throws Error(kUsage) for schemes without integers
// or with other blocks than the tensor or its output channels.
std::optional<LayerCodes> layer_codes(const LinearLayer& layer, const TensorResult* result,
                                      const TensorStore& tensors,
                                      std::span<const double> original = {});

}  // namespace narrow
