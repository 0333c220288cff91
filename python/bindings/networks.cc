// The jobs on networks.
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <vector>

#include "bindings.h"
#include "job_options.h"
#include "job_thread.h"
#include "named_arrays.h"
#include "narrow/calibrate_network.h"
#include "narrow/compare_outputs.h"
#include "narrow/dequantized_weights.h"
#include "narrow/evaluate.h"
#include "narrow/export_network.h"
#include "narrow/model.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/quantize_network.h"
#include "narrow/ready_network.h"
#include "narrow/sweep.h"
#include "narrow/sweep_evaluation.h"
#include "narrow/train.h"
#include "output.h"
#include "report/calibration_report.h"
#include "report/convert_report.h"
#include "report/evaluation_report.h"
#include "report/sweep/sweep_report.h"
#include "report/training_report.h"
#include "reports.h"

namespace narrow::python {
namespace {

namespace nb = nanobind;

Report evaluate(const std::vector<std::filesystem::path>& paths, const EvaluateOptions& options,
                bool confusion, const OutputArguments& predictions, int threads,
                nb::object progress) {
  const auto work = [&](const RunOptions& run, JobThread& /*job*/) {
    TextOutput file(predictions);
    std::vector<std::shared_ptr<const CheckpointReader>> readers;
    for (const std::filesystem::path& path : paths) {
      readers.push_back(see_as_computed(open_unpacked(path)));
    }
    const EvaluateResult result = evaluate_checkpoints(readers, options, run);
    if (!predictions.path.empty()) file.write(predictions_csv(result));
    return evaluation_report(result, confusion && result.has_labels);
  };
  return run_job({threads, std::move(progress)}, work);
}

Report calibrate(const std::filesystem::path& path, const ImageSource& source, std::uint64_t count,
                 const OutputArguments& output, int threads, nb::object progress) {
  const auto work = [&](const RunOptions& run, JobThread& /*job*/) {
    const auto reader = open_unpacked(path);
    const CheckpointLocation to = location_of(output, *reader);
    const auto writer = create_checkpoint_like(*reader, to, overwrite_of(output));
    writer->set_metadata(reader->metadata());
    const CalibrationImages images{source, count};
    const CalibrationResult result = calibrate_network(*reader, images, *writer, run);
    writer->finish();
    copy_channel_scales(reader->location(), to, overwrite_of(output));
    return calibration_report(result, images, reader->location(), to);
  };
  return run_job({threads, std::move(progress)}, work);
}

Report write_network(const std::filesystem::path& path, const NetworkExportOptions& options,
                     const OutputArguments& output, int threads, nb::object progress) {
  const auto work = [&](const RunOptions& run, JobThread& /*job*/) {
    const auto reader = see_dequantized(open_checkpoint(path));
    const CheckpointLocation to = location_of(output, *reader);
    return plain_report(
        "network as ONNX",
        exported_network_json(export_network(*reader, options, to.path, overwrite_of(output), run),
                              *reader, to));
  };
  return run_job({threads, std::move(progress)}, work);
}

Report train_network(const TrainOptions& options, int threads, nb::object progress) {
  const auto work = [&](const RunOptionsFor<TrainObserver>& run, JobThread& /*job*/) {
    return train_report(train(options, run), options);
  };
  return run_job<TrainObserver>({threads, std::move(progress)}, work);
}

// What is measured: what patterns select, or with images what the network has.
std::vector<std::size_t> indices_of(const CheckpointReader& reader, const PlanArguments& args,
                                    const SweepEvaluationOptions* evaluation,
                                    SweepOutcome& outcome) {
  const Selection& selection = args.selection;
  const bool has_patterns = !selection.include.empty() || !selection.exclude.empty();
  if (has_patterns || evaluation == nullptr) {
    outcome.selection = has_patterns ? "selected by patterns" : "all but training state";
    return selected_indices(reader, selection, &outcome.copied);
  }
  outcome.selection = "the weights of the network";
  auto indices = trainable_indices(reader, evaluation->model_name, selection.moving_averages);
  std::vector<CopyReason> reasons = natural_copy_reasons(reader.tensors());
  for (const std::size_t index : indices) reasons[index] = CopyReason::kNone;
  outcome.copied = count_reasons(reasons);
  require_quantized(reader, indices.size(), outcome.copied);
  return indices;
}

Report sweep(const std::filesystem::path& path, const nb::list& given, const PlanArguments& args,
             const std::optional<SweepEvaluationOptions>& evaluation, const std::string& call,
             int threads, nb::object progress) {
  std::vector<Scheme> schemes;
  for (const nb::handle scheme : given) {
    schemes.push_back(nb::cast<const PartialScheme&>(scheme).scheme);
  }
  const auto work = [&](const RunOptions& run, JobThread& /*job*/) {
    const std::shared_ptr<const CheckpointReader> reader = open_unpacked(path, cast_of(args.cast));
    SweepOutcome outcome;
    outcome.checkpoint = reader->location();
    outcome.command = call;
    const auto indices = indices_of(*reader, args, evaluation ? &*evaluation : nullptr, outcome);
    outcome.errors = sweep_errors(*reader, indices, schemes, {args.non_finite, args.axes}, run);
    if (evaluation) {
      SweepEvaluationOptions options = *evaluation;
      options.non_finite = args.non_finite;
      options.use_moving_averages = args.selection.moving_averages;
      options.axes = args.axes;
      outcome.evaluation = evaluate_schemes(reader, indices, schemes, options, run);
    }
    return sweep_report(outcome);
  };
  return run_job({threads, std::move(progress)}, work);
}

void unscale(const std::filesystem::path& path, const std::filesystem::path& scales_file,
             const OutputArguments& output) {
  const nb::gil_scoped_release others_may_run;
  const auto reader = open_unpacked(path);
  const auto scales = open_checkpoint(
      scales_file.empty() ? channel_scales_location(reader->location()).path : scales_file);
  const auto writer =
      create_checkpoint_like(*reader, location_of(output, *reader), overwrite_of(output));
  writer->set_metadata(reader->metadata());
  undo_channel_scales(*reader, *scales, *writer);
  writer->finish();
}

void initialize(const std::string& network, int classes, std::uint64_t seed,
                const OutputArguments& output) {
  const nb::gil_scoped_release others_may_run;
  const auto writer =
      create_checkpoint({format_named(output.format), output.path}, overwrite_of(output));
  write_initial_weights(network, classes, seed, *writer);
  writer->finish();
}

nb::list run_loaded(const ReadyNetwork& network, const nb::list& given, nb::object progress) {
  const std::vector<NamedArray> inputs = named_arrays(given);
  const auto work = [&](const RunOptions& /*run*/, JobThread& /*job*/) {
    return network.run(inputs);
  };
  return tuples_of(run_job({0, std::move(progress)}, work));
}

void bind_graph(nb::module_& module) {
  nb::class_<ReadyNetwork>(module, "ReadyNetwork")
      .def(
          "__init__",
          [](ReadyNetwork* self, const std::filesystem::path& path,
             const CompareOutputsOptions& given, int threads) {
            const nb::gil_scoped_release others_may_run;
            RunNetworkOptions options;
            options.model_name = given.model_name;
            options.nodes = given.nodes;
            options.execution = given.execution;
            options.arithmetic = given.arithmetic;
            options.needs_integers = given.arithmetic != IntegerArithmetic();
            new (self) ReadyNetwork(see_as_computed(open_unpacked(path)), options, threads);
          },
          nb::arg("path"), nb::arg("options"), nb::arg("threads"))
      .def_prop_ro("name", &ReadyNetwork::name)
      .def_prop_ro("inputs", &ReadyNetwork::inputs)
      .def_prop_ro("outputs", &ReadyNetwork::outputs)
      .def("run", run_loaded, nb::arg("inputs"), nb::arg("progress").none());
}

}  // namespace

void bind_networks(nb::module_& module) {
  const auto threads = nb::arg("threads");
  const auto progress = nb::arg("progress").none();
  module.def("evaluate", evaluate, nb::arg("paths"), nb::arg("options"), nb::arg("confusion"),
             nb::arg("predictions"), threads, progress);
  module.def("calibrate", calibrate, nb::arg("path"), nb::arg("source"), nb::arg("count"),
             nb::arg("output"), threads, progress);
  nb::class_<NetworkExportOptions>(module, "NetworkExportOptions")
      .def(nb::init<>())
      .def_rw("model_name", &NetworkExportOptions::model_name)
      .def_rw("eval_image_size", &NetworkExportOptions::image_size)
      .def_rw("dequantize", &NetworkExportOptions::dequantize)
      .def_rw("equalize", &NetworkExportOptions::equalize)
      .def_rw("moving_averages", &NetworkExportOptions::use_moving_averages);
  module.def("export_network", write_network, nb::arg("path"), nb::arg("options"),
             nb::arg("output"), threads, progress);
  module.def("train", train_network, nb::arg("options"), threads, progress);
  module.def("sweep", sweep, nb::arg("path"), nb::arg("schemes"), nb::arg("args"),
             nb::arg("evaluation").none(), nb::arg("call"), threads, progress);
  module.def("unscale", unscale, nb::arg("path"), nb::arg("scales"), nb::arg("output"));
  module.def("init", initialize, nb::arg("model_name"), nb::arg("classes"), nb::arg("seed"),
             nb::arg("output"));
  module.def("model_names", model_names);
  bind_graph(module);
}

}  // namespace narrow::python
