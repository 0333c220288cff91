#include "reports.h"

#include <nanobind/stl/string.h>

namespace narrow::python {

namespace nb = nanobind;

Report plain_report(const std::string& title, nlohmann::ordered_json json) {
  Report report;
  report.title = title;
  report.json = std::move(json);
  return report;
}

void bind_report(nb::module_& module) {
  nb::class_<Report>(module, "Report")
      .def_ro("title", &Report::title)
      .def("json", report_json)
      .def("html", report_html)
      .def("markdown", report_markdown);
}

}  // namespace narrow::python
