// Examples that come as arrays: what a network's only input takes, from an NPZ file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "tasks/evaluation/example_labels.h"

namespace narrow {

class ImageArrays {
 public:
  // Reads the array of the network's input, which takes images, and the labels, from which
  // `labels_offset` is subtracted. Throws Error: kUsage for an array of another type or shape than
  // the input's, or without examples; kUnsupported for another network; what InputArrays throws.
  ImageArrays(const std::filesystem::path& path, const Graph& network, int labels_offset);

  // Throws Error(kUsage) when the network's input has another name, or its axes another order.
  void require_fit(const Graph& network) const;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] int height() const { return height_; }
  [[nodiscard]] int width() const { return width_; }
  [[nodiscard]] const ExampleLabels& labels() const { return labels_; }
  // Example `index` as height x width x channels, the order in which preprocessing leaves images.
  void load(std::size_t index, std::span<float> pixels) const;

 private:
  std::filesystem::path path_;
  std::string name_;  // of the input
  bool channels_last_ = false;
  std::vector<std::byte> values_;
  std::size_t size_ = 0;
  int height_ = 0;
  int width_ = 0;
  ExampleLabels labels_;
};

}  // namespace narrow
