// A result of a job for Python.
#pragma once

#include <nanobind/nanobind.h>

#include "report/report.h"

namespace narrow::python {

// narrow._narrow.Report: the object that the program prints with --json as text, and the page.
void bind_report(nanobind::module_& module);

// A report of a job whose result is no more than the object.
Report plain_report(const std::string& title, nlohmann::ordered_json json);

}  // namespace narrow::python
