#include "named_arrays.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "arrays.h"

namespace narrow::python {
namespace {

namespace nb = nanobind;

DType input_type(const std::string& name) {
  if (const auto dtype = dtype_named(name)) return *dtype;
  throw nb::type_error(("a network takes no arrays of type " + name).c_str());
}

}  // namespace

std::optional<DType> dtype_named(const std::string& name) {
  for (int i = 0; i < static_cast<int>(DType::kOpaque); ++i) {
    if (to_string(static_cast<DType>(i)) == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

std::vector<NamedArray> named_arrays(const nb::list& tuples) {
  std::vector<NamedArray> arrays;
  for (const nb::handle item : tuples) {
    const auto parts = nb::cast<nb::tuple>(item);
    const auto values = nb::cast<Bytes>(parts[3]);
    const auto bytes = std::as_bytes(values_of(values));
    arrays.push_back({{nb::cast<std::string>(parts[0]), input_type(nb::cast<std::string>(parts[1])),
                       nb::cast<Shape>(parts[2])},
                      {bytes.begin(), bytes.end()}});
  }
  return arrays;
}

nb::list tuples_of(const std::vector<NamedArray>& arrays) {
  nb::list tuples;
  for (const NamedArray& array : arrays) {
    std::vector<std::uint8_t> bytes(array.values.size());
    std::memcpy(bytes.data(), array.values.data(), bytes.size());
    const auto count = static_cast<std::int64_t>(bytes.size());
    tuples.append(nb::make_tuple(array.info.name, std::string(to_string(array.info.dtype)),
                                 array.info.shape, numpy_array(std::move(bytes), {count})));
  }
  return tuples;
}

}  // namespace narrow::python
