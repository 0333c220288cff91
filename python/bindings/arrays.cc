#include "arrays.h"

#include <fmt/format.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <map>
#include <memory>
#include <string>

#include "bindings.h"
#include "narrow/error.h"
#include "narrow/quantize_tensor.h"
#include "narrow/scheme_lists.h"
#include "narrow/scheme_rules.h"

namespace narrow::python {
namespace {

namespace nb = nanobind;

// The scheme of an array, for which there is nothing else that could say what is missing.
const Scheme& whole_scheme(const PartialScheme& scheme) {
  if (scheme.is_complete()) return scheme.scheme;
  throw Error(ErrorCategory::kUsage, "scheme and bits are both needed, or a format such as q");
}

PartialScheme scheme_of(const nb::dict& settings) {
  SchemeSettings pairs;
  for (const auto [key, value] : settings) {
    pairs.emplace_back(nb::cast<std::string>(key), nb::cast<std::string>(value));
  }
  return parse_settings(pairs);
}

// Every combination that there is, and sentences on those that there are not. `words` has lists of
// words by the option's name, as `narrow sweep` takes them.
nb::tuple schemes_of(const std::map<std::string, std::vector<std::string>>& words,
                     const std::vector<int>& widths) {
  const auto of = [&](const char* name) { return words.at(name); };
  SchemeLists lists{of("schemes"), of("granularity"), of("range"), widths};
  FormatLists formats{of("q"), of("ap_fixed"), of("fraction_bits"), {}};
  for (const std::string& sign : of("signed")) formats.sign = sign;
  if (!of("round_mode").empty()) formats.round_modes = of("round_mode");
  if (!of("overflow").empty()) formats.overflows = of("overflow");
  apply_format_lists(formats, lists);
  if (lists.schemes.empty() && lists.named.empty()) lists.schemes = {"bin", "fixed-point"};
  std::vector<std::string> left_out;
  nb::list schemes;
  for (const Scheme& scheme : expand_schemes(lists, &left_out)) {
    schemes.append(PartialScheme{scheme, true, true});
  }
  return nb::make_tuple(schemes, left_out);
}

std::uint64_t count_code_bytes(const Shape& shape, const PartialScheme& scheme) {
  return packed_code_bytes(shape, whole_scheme(scheme));
}

// The codes go into `codes`, which the caller keeps alive as long as the result.
PackedTensor quantize_array(const Floats& values, const PartialScheme& scheme,
                            const WritableBytes& codes) {
  const Shape shape = shape_of(values);
  const nb::gil_scoped_release others_may_run;
  return quantize_packed(values_of(values), shape, whole_scheme(scheme),
                         std::as_writable_bytes(values_of(codes)));
}

ErrorSums fake_quantize_array(const Floats& values, const PartialScheme& scheme,
                              const WritableFloats& out) {
  const Shape shape = shape_of(values);
  const nb::gil_scoped_release others_may_run;
  return fake_quantize(values_of(values), shape, whole_scheme(scheme), values_of(out));
}

void restore_tensor(const PackedTensor& tensor, const WritableFloats& out) {
  const nb::gil_scoped_release others_may_run;
  dequantize(tensor, values_of(out));
}

void unpack_tensor(const PackedTensor& tensor, const WritableBytes& out) {
  const nb::gil_scoped_release others_may_run;
  unpack_codes(tensor, std::as_writable_bytes(values_of(out)));
}

void bind_schemes(nb::module_& module) {
  nb::class_<PartialScheme>(module, "Scheme")
      .def_prop_ro("is_complete", &PartialScheme::is_complete)
      .def_prop_ro("kind",
                   [](const PartialScheme& s) { return std::string(to_string(s.scheme.kind)); })
      .def_prop_ro("bits", [](const PartialScheme& s) { return s.scheme.bits; })
      .def_prop_ro("granularity",
                   [](const PartialScheme& s) { return to_string(s.scheme.granularity); })
      .def_prop_ro("range", [](const PartialScheme& s) { return to_string(s.scheme.range); });
  module.def("scheme", scheme_of, nb::arg("settings"));
  module.def("schemes", schemes_of, nb::arg("words"), nb::arg("bits"));
}

void bind_params(nb::module_& module) {
  nb::class_<BlockParams>(module, "BlockParams")
      .def_ro("lo", &BlockParams::lo)
      .def_ro("hi", &BlockParams::hi)
      .def_ro("bin_width", &BlockParams::bin_width)
      .def_ro("fraction_bits", &BlockParams::fraction_bits)
      .def_ro("decimal_exponent", &BlockParams::decimal_exponent)
      .def_ro("scale", &BlockParams::scale)
      .def_ro("zero", &BlockParams::zero)
      .def_ro("is_signed", &BlockParams::is_signed)
      .def_ro("clips", &BlockParams::clips)
      .def_ro("levels", &BlockParams::levels)
      .def("__repr__", [](const BlockParams& params) {
        return fmt::format(
            "BlockParams(lo={}, hi={}, bin_width={}, fraction_bits={}, scale={}, "
            "zero={})",
            params.lo, params.hi, params.bin_width, params.fraction_bits, params.scale,
            params.zero);
      });
  nb::class_<ErrorSums>(module, "Errors")
      .def_ro("count", &ErrorSums::count)
      .def_ro("max_abs_error", &ErrorSums::max_abs_d)
      .def_ro("overflowed", &ErrorSums::overflowed)
      .def_prop_ro("relative_l2", &ErrorSums::relative_l2)
      .def_prop_ro("sqnr_db", &ErrorSums::sqnr_db)
      .def_prop_ro("bias", &ErrorSums::bias)
      .def_prop_ro("cosine", &ErrorSums::cosine)
      .def("__repr__", [](const ErrorSums& errors) {
        return fmt::format("Errors(relative_l2={}, sqnr_db={}, max_abs_error={}, bias={})",
                           errors.relative_l2(), errors.sqnr_db(), errors.max_abs_d, errors.bias());
      });
}

}  // namespace

void bind_arrays(nb::module_& module) {
  bind_schemes(module);
  bind_params(module);
  nb::class_<PackedTensor>(module, "PackedTensor")
      .def_ro("params", &PackedTensor::params)
      .def_ro("errors", &PackedTensor::errors)
      .def_ro("shape", &PackedTensor::shape)
      .def_prop_ro("scheme",
                   [](const PackedTensor& tensor) {
                     return PartialScheme{tensor.scheme, true, true};
                   })
      .def_prop_ro(
          "code_type",
          [](const PackedTensor& tensor) { return std::string(to_string(code_type(tensor))); })
      .def("dequantize", restore_tensor, nb::arg("out").noconvert())
      .def("unpack", unpack_tensor, nb::arg("out").noconvert());
  module.def("code_bytes", count_code_bytes, nb::arg("shape"), nb::arg("scheme"));
  module.def("quantize", quantize_array, nb::arg("values").noconvert(), nb::arg("scheme"),
             nb::arg("codes").noconvert());
  module.def("fake_quantize", fake_quantize_array, nb::arg("values").noconvert(), nb::arg("scheme"),
             nb::arg("out").noconvert());
}

}  // namespace narrow::python
