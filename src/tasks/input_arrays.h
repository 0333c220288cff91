// Arrays that a network is fed with: an NPZ file whose arrays are named like the network's inputs,
// and, if it has any, the label of every example as `labels`:
//
//     const InputArrays file("inputs.npz");
//     const std::vector<NamedArray> arrays = file.read(input_names);
//     const auto labels = file.read_labels(examples_of(arrays));
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/run_network.h"

namespace narrow {

// The name of the array of labels.
constexpr std::string_view kLabelsArray = "labels";

// Safe to use from several threads.
class InputArrays {
 public:
  // Reads the names and shapes. Throws what open_checkpoint does, Error(kNotFound) where there is
  // no such file, Error(kUnsupported) for one that is no NPZ file.
  explicit InputArrays(const std::filesystem::path& path);

  // What the file holds, labels too.
  [[nodiscard]] const std::vector<TensorInfo>& arrays() const { return reader_->tensors(); }

  // The arrays of these inputs, in their order. Throws Error: kNotFound for an input without array,
  // kUsage for an array, other than labels, that no input is named like, kUnsupported for values
  // that are not computed with; kCorrupt for a damaged file.
  [[nodiscard]] std::vector<NamedArray> read(std::span<const std::string> inputs) const;

  // One label an example; nothing when the file has none. Throws Error: kUsage unless they are
  // `examples` integers in one dimension, or for one that 63 bits do not hold; kCorrupt for a
  // damaged file.
  [[nodiscard]] std::optional<std::vector<std::int64_t>> read_labels(std::uint64_t examples) const;

 private:
  [[nodiscard]] NamedArray read_array(std::size_t index) const;
  void check_names(std::span<const std::string> inputs) const;

  std::unique_ptr<CheckpointReader> reader_;
};

// The first dimension, which all of them share. Throws Error(kUsage) naming two arrays that differ,
// or one without dimensions; there is at least one.
std::uint64_t examples_of(std::span<const NamedArray> arrays);

}  // namespace narrow
