// Types and shapes of datasets and attributes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "checkpoint/hdf5/structure/hdf5_object.h"
#include "narrow/tensor.h"

namespace narrow {

struct Hdf5Type {
  enum class Text : std::uint8_t { kNone, kFixed, kVariable };

  DType dtype = DType::kOpaque;  // kString for both kinds of text
  std::string name;              // of kOpaque: "compound", "12-bit integer"
  std::uint64_t size = 0;        // bytes of an element in the file
  bool big_endian = false;
  Text text = Text::kNone;
};

// A datatype message (IV.A.2.d) of version 1 to 5. Integers of 1, 2, 4 and 8 bytes, IEEE 754's
// float16, float32 and float64, bfloat16, h5py's boolean (an enumeration FALSE, TRUE) and text are
// types of ours; every other is kOpaque. What is behind its own header is not taken.
Hdf5Type read_hdf5_type(Hdf5Cursor& cursor);

// A dataspace message (IV.A.2.b): row-major dimensions, empty for a scalar, nothing for a null
// dataspace, which has no elements.
std::optional<Shape> read_hdf5_shape(Hdf5Cursor cursor);

// The body of a datatype message, version 1; nothing for what HDF5 has no simple type for.
std::optional<std::string> build_hdf5_type(const TensorInfo& info);

}  // namespace narrow
