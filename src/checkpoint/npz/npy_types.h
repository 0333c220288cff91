// NumPy's element types as NPY headers name them (numpy.dtype.descr): those that are computed with,
// and all others, which are opaque.
#pragma once

#include <cstdint>
#include <string>

#include "checkpoint/npz/npy_header.h"
#include "checkpoint/npz/npy_literal.h"
#include "narrow/tensor.h"

namespace narrow {

// Sets type and byte order of `header`; the size of opaque values is not known then. `where` names
// file and member in errors. Throws Error(kUnsupported) for what cannot be a type of NumPy's.
void set_npy_type(const NpyLiteral& fields, const std::string& where, NpyHeader* header);

// Bytes that the values of an array take; what `info.opaque` says where the type does not say.
// Throws Error(kCorrupt) for shapes that cannot be.
std::uint64_t npy_value_bytes(const TensorInfo& info);

// The type as Python writes it into the header: "'<f4'", "[('x', '<f4')]".
// Throws Error(kUnsupported) for types that NumPy does not have.
std::string npy_descr(const TensorInfo& info);

}  // namespace narrow
