// The datasets of an HDF5 file as tensors.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "checkpoint/hdf5/structure/hdf5_dataset.h"
#include "checkpoint/hdf5/structure/hdf5_file.h"
#include "narrow/tensor.h"

namespace narrow {

// Tensors are called by their paths without the first slash. Their order is that of Keras'
// attributes layer_names and weight_names where groups have these, else that of the names, numbers
// by their value. A dataset with several names (hard links) is a tensor under each.
class Hdf5Contents {
 public:
  // All of the file or the part `part` of it. Throws what Hdf5File, read_hdf5_links and
  // read_hdf5_dataset throw; Error(kCorrupt) for values of much more bytes than the file has,
  // Error(kUnsupported) for a group with two names.
  explicit Hdf5Contents(const std::filesystem::path& path, std::optional<Hdf5Part> part = {});

  [[nodiscard]] const Hdf5File& file() const { return file_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const { return tensors_; }
  [[nodiscard]] const Hdf5Dataset& dataset(std::size_t tensor) const {
    return datasets_[indices_[tensor]];
  }
  // The values of a string tensor.
  [[nodiscard]] const std::vector<std::string>& texts(std::size_t tensor) const {
    return texts_[indices_[tensor]];
  }

 private:
  friend class Hdf5Walk;

  InputFile input_;
  Hdf5File file_;
  std::vector<TensorInfo> tensors_;
  std::vector<std::size_t> indices_;  // in datasets_, of each tensor
  std::vector<Hdf5Dataset> datasets_;
  std::vector<std::vector<std::string>> texts_;  // of each dataset
};

}  // namespace narrow
