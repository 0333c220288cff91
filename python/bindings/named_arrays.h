// Arrays by name, as networks take and give them: in Python tuples of name, type, shape and bytes.
#pragma once

#include <nanobind/nanobind.h>

#include <optional>
#include <string>
#include <vector>

#include "narrow/run_network.h"

namespace narrow::python {

// The type that is called so; none for what is no type of elements.
std::optional<DType> dtype_named(const std::string& name);

// Copies. Throws TypeError for a type that no network takes.
std::vector<NamedArray> named_arrays(const nanobind::list& tuples);
nanobind::list tuples_of(const std::vector<NamedArray>& arrays);

}  // namespace narrow::python
