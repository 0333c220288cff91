// What a job writes of a checkpoint, kept in memory and read again.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "stream/quantized_reader.h"

namespace narrow {

// Tensors that are added must be of the original; all others are read from there, and so are
// strings. Is read after finish().
class QuantizedCopy final : public QuantizedReader, public CheckpointWriter {
 public:
  // The original must outlive this.
  explicit QuantizedCopy(const CheckpointReader& original)
      : QuantizedReader(original, {}, NonFinitePolicy::kError) {}

  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override;

  void add(const TensorInfo& info) override;
  void write(std::span<const std::byte> values) override;
  void write_strings(std::span<const std::string> /*values*/) override {}
  void finish() override {}

 private:
  std::vector<std::size_t> added_;                        // positions of tensors that have bytes
  std::size_t next_ = 0;                                  // of added_: the one that is written
  std::map<std::size_t, std::vector<std::byte>> values_;  // by position
};

}  // namespace narrow
