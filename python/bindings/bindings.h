// The parts of the extension module narrow._narrow. It is a thin layer over include/narrow and
// src/report: Python's words become the library's options, and results become arrays and reports.
#pragma once

#include <nanobind/nanobind.h>

namespace narrow::python {

// Error as narrow.Error. First of all: the others throw it.
void bind_errors(nanobind::module_& module);
// Scheme, BlockParams, ErrorSums, QuantizedTensor, and what goes from arrays to arrays.
void bind_arrays(nanobind::module_& module);
// Readers, and a function that writes.
void bind_checkpoints(nanobind::module_& module);
// What jobs are told: selections, images, methods, training.
void bind_options(nanobind::module_& module);
// Report, and the jobs on checkpoints.
void bind_jobs(nanobind::module_& module);
// Networks: run, evaluated, trained.
void bind_networks(nanobind::module_& module);
// Networks in integers.
void bind_integers(nanobind::module_& module);

}  // namespace narrow::python
