// A tensor as a pickle of torch.save describes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "checkpoint/pytorch/pickle/pickle_value.h"
#include "checkpoint/pytorch/pytorch_types.h"
#include "checkpoint/pytorch/strided_stream.h"
#include "narrow/tensor.h"

namespace narrow {

// Values that lie outside of the pickle, one after another; tensors share them.
struct PytorchStorage {
  std::string_view key;  // its name in the file; a view of the pickle
  std::uint64_t byte_size = 0;
  std::size_t item_bytes = 1;
  // The part of it that is meant (the stream of pickles has such views).
  std::uint64_t view_offset = 0;
  std::uint64_t view_bytes = 0;
};

// A tensor without its name. One that has no `type` is listed under what made it.
struct StoredTensor {
  const PytorchType* type = nullptr;
  PytorchStorage storage;
  StridedPlace place;  // within the storage
};

// Functions of this header throw Error(kCorrupt) that names `where` ("member archive/data.pkl of
// net.pt") and the byte of the value that cannot be.

// The storage that a persistent identifier stands for, and its type; nothing for a value that is
// something else.
struct TypedStorage {
  const PytorchType* type = nullptr;
  PytorchStorage storage;
};
std::optional<TypedStorage> storage_of(const Pickle& pickle, const PickleValue& value,
                                       const std::string& where);

// The tensor that a call of PyTorch's own functions (torch/_utils.py, _rebuild_tensor_v2 and the
// like) or of torch.nn.Parameter's stands for, with its elements within its storage; nothing for
// any other value.
std::optional<StoredTensor> tensor_of(const Pickle& pickle, const PickleValue& value,
                                      const std::string& where);

}  // namespace narrow
