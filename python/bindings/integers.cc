// The jobs on networks in integers, and how outputs of networks differ.
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings.h"
#include "job_options.h"
#include "job_thread.h"
#include "named_arrays.h"
#include "narrow/compare_outputs.h"
#include "narrow/dequantized_weights.h"
#include "narrow/error.h"
#include "narrow/export_integers.h"
#include "narrow/inspect_engines.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/plan.h"
#include "narrow/quantize_activations.h"
#include "output.h"
#include "report/best_report.h"
#include "report/engine_report.h"
#include "report/integer_export_report.h"
#include "report/integer_report.h"
#include "report/run_report.h"
#include "reports.h"

namespace narrow::python {
namespace {

namespace nb = nanobind;

Report quantize_to_integers(const std::filesystem::path& path, const PlanArguments& args,
                            const NetworkMethods& methods, const std::optional<BestArguments>& best,
                            const ActivationOptions& given, bool has_range,
                            const OutputArguments& output, int threads, nb::object progress) {
  ActivationOptions options = given;
  if (methods.images) options.images = *methods.images;
  options.tells_widths = true;
  if (!args.plan.empty()) {
    const std::vector<ActivationRule> planned =
        parse_plan_activations(read_plan_text(args.plan), args.plan);
    options.rules.insert(options.rules.end(), planned.begin(), planned.end());
  }
  const auto work = [&](const RunOptionsFor<QuantizeObserver>& run, JobThread& /*job*/) {
    const auto reader = open_unpacked(path, cast_of(args.cast));
    if (!output.path.empty()) (void)location_of(output, *reader);  // not the input itself
    const QuantizeOptions quantize{.non_finite = args.non_finite, .code_statistics = true};
    const ChosenPlan chosen = chosen_plan(args, methods, best, false, *reader, run);
    const bool is_open = best && options.rules.empty() && options.steps.empty();
    if (is_open) {
      options = choose_activations(
          *reader, chosen.plan, std::move(options),
          has_range ? std::vector<std::string>() : best_activation_ranges(), run);
    }
    const IntegerNetworkResult result =
        quantize_activations(*reader, chosen.plan, chosen.methods, quantize, options, output.path,
                             overwrite_of(output), run);
    nlohmann::ordered_json json = integer_json(result);
    json["input"] = reader->location().path.string();
    if (!output.path.empty()) json["output"] = output.path.string();
    if (chosen.best) json["best"] = best_json(*chosen.best);
    if (is_open) add_best_activations(options, json["best"]);
    return integer_report(result, chosen.title, std::move(json));
  };
  return run_job<QuantizeObserver>({threads, std::move(progress)}, work);
}

Report make_c_network(const std::filesystem::path& path, const nb::list& given,
                      const IntegerExportOptions& options, const OutputArguments& output,
                      int threads, nb::object progress) {
  const std::vector<NamedArray> inputs = named_arrays(given);
  const auto work = [&](const RunOptions& run, JobThread& /*job*/) {
    const auto reader = see_as_computed(open_unpacked(path));
    const CNetworkExport made =
        export_c_network(*reader, inputs, options, output.path, overwrite_of(output), run);
    return plain_report("network in C", c_network_json(made, options.arithmetic));
  };
  return run_job({threads, std::move(progress)}, work);
}

Report make_vectors(const std::filesystem::path& path, const nb::list& given,
                    const IntegerExportOptions& options, const OutputArguments& output, int threads,
                    nb::object progress) {
  const std::vector<NamedArray> inputs = named_arrays(given);
  const auto work = [&](const RunOptions& run, JobThread& /*job*/) {
    const auto reader = see_as_computed(open_unpacked(path));
    const VectorsExport made =
        export_vectors(*reader, inputs, options, output.path, overwrite_of(output), run);
    return plain_report("test vectors", vectors_json(made));
  };
  return run_job({threads, std::move(progress)}, work);
}

Report inspect_integers(const std::filesystem::path& path, nb::object progress) {
  const auto work = [&](const RunOptions& /*run*/, JobThread& /*job*/) {
    const auto reader = open_checkpoint(path);
    return engines_report(reader->location(), inspect_engines(*reader));
  };
  return run_job({0, std::move(progress)}, work);
}

Report compare_networks(const std::filesystem::path& reference, const std::filesystem::path& other,
                        const nb::list& given, const CompareOutputsOptions& options, int threads,
                        nb::object progress) {
  const std::vector<NamedArray> inputs = named_arrays(given);
  const auto work = [&](const RunOptions& run, JobThread& /*job*/) {
    return output_comparison_report(
        compare_outputs(*open_unpacked(reference), *open_unpacked(other), inputs, options, run));
  };
  return run_job({threads, std::move(progress)}, work);
}

}  // namespace

void bind_integers(nb::module_& module) {
  const auto threads = nb::arg("threads");
  const auto progress = nb::arg("progress").none();
  nb::class_<ActivationOptions>(module, "ActivationOptions")
      .def(
          "__init__",
          [](ActivationOptions* self, const std::string& activations, const std::string& range,
             const std::vector<std::string>& rules, const std::string& target, bool packs_weights,
             const std::filesystem::path& steps, const std::string& to) {
            ActivationOptions options = parse_activation_options(activations, range, target);
            for (const std::string& rule : rules) {
              options.rules.push_back(parse_activation_rule(rule, options.scheme));
            }
            options.packs_weights = packs_weights;
            if (!steps.empty()) options.steps = read_activation_steps(*open_checkpoint(steps));
            if (to != "qdq" && to != "qonnx") {
              throw Error(ErrorCategory::kUsage, "to '" + to + "': expected qdq or qonnx");
            }
            options.form = to == "qonnx" ? IntegerForm::kQonnx : IntegerForm::kQdq;
            new (self) ActivationOptions(std::move(options));
          },
          nb::arg("activations"), nb::arg("range"), nb::arg("rules"), nb::arg("target"),
          nb::arg("packs_weights"), nb::arg("steps"), nb::arg("to"));
  nb::class_<IntegerExportOptions>(module, "IntegerExportOptions")
      .def(
          "__init__",
          [](IntegerExportOptions* self, const std::string& name, const std::string& requantize,
             const std::string& round_mode, const std::string& overflow) {
            new (self) IntegerExportOptions{name, arithmetic_of(requantize, round_mode, overflow)};
          },
          nb::arg("name"), nb::arg("requantize"), nb::arg("round_mode"), nb::arg("overflow"));
  nb::class_<CompareOutputsOptions>(module, "CompareOutputsOptions")
      .def(
          "__init__",
          [](CompareOutputsOptions* self, const std::string& model_name,
             const std::vector<std::string>& nodes, const std::string& execution,
             const std::string& requantize, const std::string& round_mode,
             const std::string& overflow) {
            new (self) CompareOutputsOptions{model_name, nodes, parse_execution(execution),
                                             arithmetic_of(requantize, round_mode, overflow)};
          },
          nb::arg("model_name"), nb::arg("nodes"), nb::arg("execution"), nb::arg("requantize"),
          nb::arg("round_mode"), nb::arg("overflow"));
  module.def(
      "read_arrays", [](const std::filesystem::path& path) { return tuples_of(read_arrays(path)); },
      nb::arg("path"));
  module.def("quantize_activations", quantize_to_integers, nb::arg("path"), nb::arg("args"),
             nb::arg("methods"), nb::arg("best").none(), nb::arg("options"), nb::arg("has_range"),
             nb::arg("output"), threads, progress);
  module.def("export_c_network", make_c_network, nb::arg("path"), nb::arg("inputs"),
             nb::arg("options"), nb::arg("output"), threads, progress);
  module.def("export_vectors", make_vectors, nb::arg("path"), nb::arg("inputs"), nb::arg("options"),
             nb::arg("output"), threads, progress);
  module.def("inspect_engines", inspect_integers, nb::arg("path"), progress);
  module.def("compare_outputs", compare_networks, nb::arg("reference"), nb::arg("other"),
             nb::arg("inputs"), nb::arg("options"), threads, progress);
}

}  // namespace narrow::python
