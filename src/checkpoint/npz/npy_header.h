// The header of the NPY format, versions 1.0 to 3.0: element type, order and shape of one array.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "narrow/tensor.h"

namespace narrow {

struct NpyHeader {
  DType dtype = DType::kFloat32;
  Shape shape;
  OpaqueType opaque = {};  // of kOpaque: texts, objects, structures, ... (numpy.dtype.descr)
  // Values are stored with the most significant byte first.
  bool big_endian = false;
  // Values are stored with the first index running fastest.
  bool fortran_order = false;
  // Offset of the first value.
  std::uint64_t header_bytes = 0;
};

// Reads and checks the header from a source of `source_bytes` bytes, of which `read` delivers the
// next ones. `where` names file and member in errors. The values must fill the rest of the source.
// Throws Error: kCorrupt; kUnsupported for a later version of the format.
NpyHeader read_npy_header(const std::function<void(std::span<std::byte>)>& read,
                          std::uint64_t source_bytes, const std::string& where);

// The same from the Python literal that the header consists of; header_bytes and the size of opaque
// values stay 0.
NpyHeader parse_npy_literal(std::string_view literal, const std::string& where);

// The header that numpy.save writes for a C-contiguous array, byte for byte (of a structured type
// only if its text has NumPy's form). Throws Error(kUnsupported) for types that NumPy does not have
// and for more than 32 dimensions.
std::string build_npy_header(const TensorInfo& info);

}  // namespace narrow
