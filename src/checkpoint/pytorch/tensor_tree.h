// From the values of a pickle to named tensors.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "checkpoint/pytorch/pickle/pickle_value.h"
#include "checkpoint/pytorch/stored_tensor.h"
#include "narrow/tensor.h"

namespace narrow {

struct NamedTensor {
  TensorInfo info;
  std::size_t storage = 0;  // position in TensorTree::storages; of no meaning without elements
  StridedPlace place;       // within the storage
};

struct TensorTree {
  std::vector<NamedTensor> tensors;  // in the order of the pickle, names unique
  std::vector<PytorchStorage> storages;
};

// Every tensor that can be reached from the root: in dictionaries (their keys), lists (positions
// from 0), attributes of objects (their names) and modules (as torch.nn.Module.state_dict names
// them), the parts of a name joined by dots; `root_name` if the root is a tensor itself. A second
// tensor of one name gets "#2". What PyTorch's functions would make of stored values otherwise
// (sparse tensors, derived classes with storages of their own) and what unknown functions would
// make of tensors is listed as kOpaque without values, under the name of the function. Everything
// else is left out.
// Throws Error: kCorrupt; kUnsupported for a tree that is nested more than 200 deep, has
// more than 1,048,576 places, or whose tensors are more than 1,024 times as large as
// `file_bytes` and 16 MiB: elements with stride 0 take no room in a file. `where` is for messages.
TensorTree find_tensors(const Pickle& pickle, const std::string& root_name,
                        std::uint64_t file_bytes, const std::string& where);

}  // namespace narrow
