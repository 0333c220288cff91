#include "base/instruction_limit.h"
#include "bindings.h"
#include "narrow/version.h"

NB_MODULE(_narrow, module) {
  namespace nb = nanobind;
  namespace bindings = narrow::python;
  narrow::apply_instruction_limit();
  const narrow::BuildInfo info = narrow::build_info();
  module.attr("version") = nb::str(info.version.c_str());
  module.attr("compiler") = nb::str(info.compiler.c_str());
  module.attr("simd_target") = nb::str(info.chosen_simd_target.c_str());
  bindings::bind_errors(module);
  bindings::bind_arrays(module);
  bindings::bind_checkpoints(module);
  bindings::bind_options(module);
  bindings::bind_jobs(module);
  bindings::bind_networks(module);
  bindings::bind_integers(module);
}
