// Examples for networks that take anything but one array of images: an array for each input, from
// an NPZ file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "nn/executor.h"
#include "tasks/evaluation/example_labels.h"

namespace narrow {

class ArrayExamples {
 public:
  // Reads an array for each input of the network, and the labels, from which `labels_offset` is
  // subtracted. Throws Error: kUsage for an array of another type or shape than the input's, for
  // arrays of different numbers of examples or without any; what InputArrays throws.
  ArrayExamples(const std::filesystem::path& path, const Graph& network, int labels_offset);

  // Throws Error(kUsage) unless the network has inputs of these names and types.
  void require_fit(const Graph& network) const;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const ExampleLabels& labels() const { return labels_; }
  // The shape of each input for `count` examples, in the order of the network's inputs.
  [[nodiscard]] std::vector<Shape> shapes(std::int64_t count) const;
  // These examples, for a network with inputs of `types`: those of the arrays, or float32 for
  // halves.
  [[nodiscard]] GraphArrays take(std::span<const std::size_t> examples,
                                 std::span<const DType> types) const;

 private:
  std::filesystem::path path_;
  std::vector<std::string> names_;  // of the inputs
  GraphArrays arrays_;
  std::size_t size_ = 0;
  ExampleLabels labels_;
};

}  // namespace narrow
