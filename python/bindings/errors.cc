#include <string>

#include "bindings.h"
#include "narrow/error.h"

namespace narrow::python {
namespace {

namespace nb = nanobind;

// What would help, in the words of the package.
std::string remedy_text(const Remedy& remedy) {
  switch (remedy.kind) {
    case Remedy::Kind::kNone:
      return {};
    case Remedy::Kind::kOverwrite:
      return "; force=True replaces it";
    case Remedy::Kind::kOtherFormat:
      return "; format= " + remedy.detail + " can hold it";
    case Remedy::Kind::kExclude:
      return "; exclude=[...] leaves it out";
    case Remedy::Kind::kKeepNonFinite:
      return "; nonfinite=\"keep\" copies such tensors unchanged";
    case Remedy::Kind::kInspect:
      return "; narrow.open lists what is there";
    case Remedy::Kind::kPack:
      return "; narrow.pack makes one";
    case Remedy::Kind::kUnpack:
      return "; narrow.unpack restores the checkpoint";
    case Remedy::Kind::kChannelAxes:
      return ", for this tensor alone with axis={\"GLOB\": N}";
    case Remedy::Kind::kDownload:
      return "; the command narrow download makes a dataset";
  }
  return {};
}

void translate(const std::exception_ptr& thrown, void* /*unused*/) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    try {
      const nb::object type = nb::module_::import_("narrow._errors").attr("Error");
      const nb::object made =
          type((error.what() + remedy_text(error.remedy())).c_str(), to_string(error.category()));
      PyErr_SetObject(type.ptr(), made.ptr());
    } catch (nb::python_error& failed) {
      failed.restore();
    }
  }
}

}  // namespace

void bind_errors(nb::module_& /*module*/) { nb::register_exception_translator(translate); }

}  // namespace narrow::python
