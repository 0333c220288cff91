// The part of Python's literal syntax that NumPy writes into NPY headers.
#pragma once

#include <string>
#include <string_view>

#include "narrow/tensor.h"

namespace narrow {

// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
struct NpyLiteral {
  std::string descr;  // without its quotes; a structured type as it stands: [('x', '<f4')]
  bool is_structured = false;
  bool fortran_order = false;
  Shape shape;
};

// Reads a dictionary of exactly these three keys, in any order, followed by nothing but spaces and
// newlines. `where` names file and member in errors.
// Throws Error(kCorrupt).
NpyLiteral read_npy_literal(std::string_view text, const std::string& where);

}  // namespace narrow
