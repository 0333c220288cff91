// The element types of PyTorch's tensors and the storage classes that stand for them in files.
// https://pytorch.org/docs/stable/tensor_attributes.html#torch-dtype and torch/storage.py,
// _dtype_to_storage_type_map.
#pragma once

#include <cstddef>
#include <string_view>

#include "narrow/tensor.h"

namespace narrow {

struct PytorchType {
  std::string_view name;           // torch.float32 without the module
  std::string_view storage_class;  // "FloatStorage"; empty for types that have none: their values
                                   // are in an UntypedStorage, and the tensor names the type
  DType dtype = DType::kOpaque;
  std::size_t item_bytes = 1;
};

// Nothing (nullptr) for names that are not in the lists.
const PytorchType* pytorch_type_of_storage(std::string_view storage_class);
const PytorchType* pytorch_type_named(std::string_view name);

// The type that a file has for a tensor's; nothing for tensors that PyTorch cannot have.
const PytorchType* pytorch_type_of(const TensorInfo& info);

}  // namespace narrow
