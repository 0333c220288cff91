// The jobs on tensors of checkpoints.
#include <fmt/format.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bindings.h"
#include "job_options.h"
#include "job_thread.h"
#include "narrow/best_recipe.h"
#include "narrow/compare_checkpoints.h"
#include "narrow/convert_checkpoint.h"
#include "narrow/dequantized_weights.h"
#include "narrow/error.h"
#include "narrow/export_codes.h"
#include "narrow/float8_weights.h"
#include "narrow/inspect_checkpoint.h"
#include "narrow/pack_gguf.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/plan.h"
#include "narrow/plan_accuracy.h"
#include "narrow/quantize_checkpoint.h"
#include "narrow/quantize_network.h"
#include "narrow/quantize_recipe.h"
#include "output.h"
#include "report/best_report.h"
#include "report/checkpoint_report.h"
#include "report/convert_report.h"
#include "report/copied_report.h"
#include "report/gguf_report.h"
#include "report/graph_report.h"
#include "report/network_report.h"
#include "report/packed_report.h"
#include "report/plan_accuracy_report.h"
#include "report/plan_report.h"
#include "report/quantize_report.h"
#include "reports.h"

namespace narrow::python {
namespace {

namespace nb = nanobind;
using nlohmann::ordered_json;

std::unique_ptr<CheckpointWriter> writer_for(const CheckpointReader& reader,
                                             const OutputArguments& output) {
  if (output.path.empty()) return std::make_unique<NullWriter>();
  return create_checkpoint_like(reader, location_of(output, reader), overwrite_of(output));
}

// `call`: what made the result, for the recipe of an ONNX file.
void set_metadata(const CheckpointReader& reader, const QuantizePlan& plan,
                  const PlanArguments& args, const OutputArguments& output, const std::string& call,
                  CheckpointWriter& writer) {
  if (output.path.empty()) return;
  const bool has_recipe = reader.location().format == CheckpointFormat::kOnnx &&
                          location_of(output, reader).format == CheckpointFormat::kOnnx;
  writer.set_metadata(has_recipe ? metadata_with_recipe(reader, plan, args.non_finite, call)
                                 : reader.metadata());
}

ordered_json with_paths(ordered_json json, const CheckpointReader& reader,
                        const OutputArguments& output) {
  json["input"] = reader.location().path.string();
  if (!output.path.empty()) json["output"] = output.path.string();
  add_float8(reader, json);
  return json;
}

Report quantize(const std::filesystem::path& path, const PlanArguments& args,
                const OutputArguments& output, const std::string& call, int threads,
                nb::object progress) {
  const auto work = [&](const RunOptionsFor<QuantizeObserver>& run, JobThread& job) {
    const auto reader = open_unpacked(path, cast_of(args.cast));
    const QuantizePlan plan = plan_of(args, *reader);
    const auto writer = writer_for(*reader, output);
    set_metadata(*reader, plan, args, output, call, *writer);
    const QuantizeOptions options{.non_finite = args.non_finite, .code_statistics = true};
    const QuantizeResult result = quantize_checkpoint(*reader, plan, options, *writer, run);
    require_quantized(*reader, result.summary.quantized, result.summary.copied_by_reason);
    writer->finish();
    for (const std::string& sentence : overflow_sentences(result)) job.note(sentence, true);
    return quantize_report(result, title_of(args),
                           with_paths(quantize_json(result), *reader, output));
  };
  return run_job<QuantizeObserver>({threads, std::move(progress)}, work);
}

Report quantize_with_methods(const std::filesystem::path& path, const PlanArguments& args,
                             const NetworkMethods& methods,
                             const std::optional<BestArguments>& best,
                             const OutputArguments& output, int threads, nb::object progress) {
  const auto work = [&](const RunOptionsFor<QuantizeObserver>& run, JobThread& job) {
    const auto reader = open_unpacked(path, cast_of(args.cast));
    const CheckpointFormat format =
        output.path.empty() ? reader->location().format : location_of(output, *reader).format;
    const ChosenPlan chosen =
        chosen_plan(args, methods, best, format == CheckpointFormat::kOnnx, *reader, run);
    const CheckpointReader& source = chosen.source(*reader);
    const auto writer = writer_for(source, output);
    writer->set_metadata(source.metadata());
    std::unique_ptr<CheckpointWriter> scales = std::make_unique<NullWriter>();
    if (chosen.methods.changes_scales() && !output.path.empty()) {
      scales = create_checkpoint(channel_scales_location(location_of(output, *reader)),
                                 overwrite_of(output));
    }
    const NetworkResult result = quantize_network(
        source, chosen.plan, chosen.methods,
        {.non_finite = args.non_finite, .code_statistics = true}, *writer, *scales, run);
    const QuantizeSummary& summary = result.quantization.summary;
    require_quantized(*reader, summary.quantized, summary.copied_by_reason);
    scales->finish();
    writer->finish();
    for (const std::string& text : overflow_sentences(result.quantization)) job.note(text, true);
    ordered_json json = with_paths(network_json(result), *reader, output);
    if (chosen.best) json["best"] = best_json(*chosen.best);
    return network_report(result, chosen.title, std::move(json));
  };
  return run_job<QuantizeObserver>({threads, std::move(progress)}, work);
}

Report pack(const std::filesystem::path& path, const PlanArguments& args,
            const OutputArguments& output, int threads, nb::object progress) {
  const auto work = [&](const RunOptions& run, JobThread& job) {
    const auto reader = open_unpacked(path, cast_of(args.cast));
    const PackedContents contents = pack_checkpoint(
        *reader, plan_of(args, *reader), {args.non_finite}, output.path, overwrite_of(output), run);
    for (const std::string& sentence : overflow_sentences(contents)) job.note(sentence, true);
    return packed_report(contents, with_paths(packed_json(contents), *reader, output));
  };
  return run_job({threads, std::move(progress)}, work);
}

Report pack_for_llama(const std::filesystem::path& path, const GgufPackOptions& options,
                      const std::string& cast, const OutputArguments& output, int threads,
                      nb::object progress) {
  const auto work = [&](const RunOptions& run, JobThread& /*job*/) {
    const auto reader = open_unpacked(path, cast_of(cast));
    (void)location_of(output, *reader);  // not the input itself
    return plain_report(
        "GGUF file",
        with_paths(gguf_json(pack_gguf(*reader, options, output.path, overwrite_of(output), run)),
                   *reader, output));
  };
  return run_job({threads, std::move(progress)}, work);
}

Report unpack(const std::filesystem::path& path, const OutputArguments& output, int threads,
              nb::object progress) {
  const auto work = [&](const RunOptions& run, JobThread& /*job*/) {
    const PackedCheckpoint packed(path);
    const PackedContents& contents = packed.contents();
    const CheckpointFormat format = output.format.empty() ? traits_of(contents.input_format).result
                                                          : format_named(output.format);
    const auto writer = create_checkpoint({format, output.path}, overwrite_of(output));
    writer->set_metadata(contents.metadata);
    unpack_checkpoint(packed, *writer, run);
    writer->finish();
    ordered_json json = packed_json(contents);
    json["input"] = packed.location().path.string();
    json["output"] = output.path.string();
    return packed_report(contents, std::move(json));
  };
  return run_job({threads, std::move(progress)}, work);
}

Report verify(const std::filesystem::path& file, const std::filesystem::path& original,
              const std::string& cast, int threads, nb::object progress) {
  const auto work = [&](const RunOptions& run, JobThread& /*job*/) {
    const auto reader = open_unpacked(original, cast_of(cast));
    const bool is_onnx = locate_checkpoint(file).format == CheckpointFormat::kOnnx;
    const auto differences = is_onnx ? verify_quantized(*open_checkpoint(file), *reader, run)
                                     : verify_packed(PackedCheckpoint(file), *reader, run);
    return plain_report("verification", differences_json(differences));
  };
  return run_job({threads, std::move(progress)}, work);
}

CodeFormat code_format_named(const std::string& name) {
  for (const CodeFormat format : {CodeFormat::kCHeader, CodeFormat::kMem, CodeFormat::kHex,
                                  CodeFormat::kCoe, CodeFormat::kMif, CodeFormat::kNpy}) {
    if (to_string(format) == name) return format;
  }
  throw Error(ErrorCategory::kUsage,
              "there is no export '" + name + "'; expected c-header, mem, hex, coe, mif or npy");
}

Report export_packed(const std::filesystem::path& path, const std::string& to,
                     const Selection& selection, const OutputArguments& output, int threads,
                     nb::object progress) {
  const auto work = [&](const RunOptions& run, JobThread& /*job*/) {
    const CodeFormat format = code_format_named(to);
    const auto exported = export_codes(PackedCheckpoint(path), format, selection, output.path,
                                       overwrite_of(output), run);
    ordered_json tensors = ordered_json::array();
    for (const ExportedCodes& tensor : exported) {
      tensors.push_back({{"name", tensor.tensor},
                         {"identifier", tensor.identifier},
                         {"file", tensor.file.string()},
                         {"codes", tensor.codes},
                         {"sum", tensor.sum},
                         {"crc32c", tensor.crc32c}});
    }
    return plain_report("export",
                        {{"schema", 1},
                         {"tensors", std::move(tensors)},
                         {"input", path.string()},
                         {"output", output.path.string()},
                         {"manifest", export_manifest_path(format, output.path).string()}});
  };
  return run_job({threads, std::move(progress)}, work);
}

Report convert(const std::filesystem::path& path, const ConvertOptions& options,
               const std::optional<std::filesystem::path>& into, const OutputArguments& output,
               int threads, nb::object progress) {
  const auto work = [&](const RunOptions& run, JobThread& job) {
    // Float8 weights become what they stand for when a type is asked for; the third type is rounded
    // from float32.
    const bool is_half = options.cast == DType::kFloat16;
    const auto reader = options.cast
                            ? open_unpacked(path, is_half ? DType::kFloat32 : *options.cast)
                            : open_checkpoint(path);
    const auto target = into ? open_checkpoint(*into) : nullptr;
    ConvertPlan plan = plan_conversion(*reader, options);
    if (target) plan = fit_into(std::move(plan), *target);
    for (const std::string& note : plan.notes) job.note(note);
    std::uint64_t infinite = 0;
    CheckpointLocation to;
    to.format = reader->location().format;
    if (!output.path.empty()) {
      to = location_of(output, *reader);
      const auto writer =
          create_checkpoint_like(target ? *target : *reader, to, overwrite_of(output));
      if (!target) {
        try {
          writer->set_metadata(reader->metadata());
        } catch (const Error& error) {
          if (error.category() != ErrorCategory::kUnsupported) throw;
          job.note("the format has no place for metadata, which is left behind");
        }
      }
      infinite = convert_checkpoint(*reader, plan, *writer, run);
      writer->finish();
    }
    ordered_json json = {{"schema", 1},
                         {"input", reader->location().path.string()},
                         {"input_format", to_string(reader->location().format)},
                         {"output", to.path.string()},
                         {"output_format", to_string(to.format)},
                         {"written", !output.path.empty()},
                         {"infinite", infinite}};
    json.update(conversion_json(plan));
    return plain_report("conversion", std::move(json));
  };
  return run_job({threads, std::move(progress)}, work);
}

Report compare(const std::filesystem::path& reference, const std::filesystem::path& other,
               bool match, const std::string& cast, nb::object progress) {
  const auto work = [&](const RunOptions& run, JobThread& /*job*/) {
    const auto open = [&](const std::filesystem::path& path) {
      return restore_float8(see_dequantized(open_checkpoint(path)), cast_of(cast));
    };
    const CheckpointComparison comparison =
        compare_checkpoints(*open(reference), *open(other),
                            match ? TensorPairs::kNamesThenShapes : TensorPairs::kNames, run);
    return comparison_report(comparison, true);
  };
  return run_job({0, std::move(progress)}, work);
}

Report inspect(const std::filesystem::path& path, bool stats, nb::object progress) {
  const auto work = [&](const RunOptions& run, JobThread& /*job*/) {
    const auto reader = see_dequantized(open_checkpoint(path));
    return inspection_report(reader->location(), inspect_checkpoint(*reader, stats, run));
  };
  return run_job({0, std::move(progress)}, work);
}

Report inspect_network(const std::filesystem::path& path, const std::string& model_name,
                       int image_size, const nb::dict& shapes, nb::object progress) {
  InputSizes sizes{image_size, {}};
  for (const auto [name, shape] : shapes) {
    sizes.shapes[nb::cast<std::string>(name)] = nb::cast<Shape>(shape);
  }
  const auto work = [&](const RunOptions& /*run*/, JobThread& /*job*/) {
    const auto reader = open_checkpoint(path);
    return graph_report(reader->location(), inspect_graph(*reader, model_name, sizes));
  };
  return run_job({0, std::move(progress)}, work);
}

// The plan and the text of its file.
std::pair<Report, std::string> make_allocation(const CheckpointReader& reader,
                                               const AllocationRequest& request,
                                               const std::optional<AccuracyOptions>& accuracy,
                                               const RunOptions& run) {
  if (accuracy) {
    const AccuracyPlan plan = plan_accuracy(reader, request, *accuracy, run);
    return {plan_report(plan), plan_file_text(plan)};
  }
  const BitAllocation plan = plan_budget(reader, request, run);
  return {plan_report(plan), plan_file_text(plan)};
}

// The text is written when the output has a path. Without `damage` it is the best that the input
// allows.
nb::tuple plan(const std::filesystem::path& path, const AllocationRequest& given,
               const std::string& damage, const PlanArguments& args,
               const std::optional<AccuracyOptions>& given_accuracy,
               const std::optional<BestArguments>& best, const OutputArguments& output, int threads,
               nb::object progress) {
  AllocationRequest request = given;
  std::optional<AccuracyOptions> accuracy = given_accuracy;
  request.scheme = best ? best_scheme(args.scheme) : args.scheme.scheme;
  request.selection = args.selection;
  request.axes = args.axes;
  const auto work = [&](const RunOptions& run, JobThread& /*job*/) {
    TextOutput file(output);
    const auto reader = open_unpacked(path, cast_of(args.cast));
    request.damage = damage.empty() ? best_damage(*reader, request) : parse_damage_kind(damage);
    if (best) {
      choose_best_methods(*reader, best->has_rounding, request, accuracy ? &*accuracy : nullptr);
    }
    auto made = make_allocation(*reader, request, accuracy, run);
    file.write(made.second);
    return made;
  };
  auto [report, text] = run_job({threads, std::move(progress)}, work);
  return nb::make_tuple(std::move(report), text);
}

}  // namespace

void bind_jobs(nb::module_& module) {
  bind_report(module);
  const auto threads = nb::arg("threads");
  const auto progress = nb::arg("progress").none();
  module.def("quantize_checkpoint", quantize, nb::arg("path"), nb::arg("args"), nb::arg("output"),
             nb::arg("call"), threads, progress);
  module.def("quantize_network", quantize_with_methods, nb::arg("path"), nb::arg("args"),
             nb::arg("methods"), nb::arg("best").none(), nb::arg("output"), threads, progress);
  module.def("pack", pack, nb::arg("path"), nb::arg("args"), nb::arg("output"), threads, progress);
  module.def(
      "pack_gguf",
      [](const std::filesystem::path& path, const std::string& type,
         const std::filesystem::path& metadata, const std::string& cast,
         const OutputArguments& output, int thread_count, nb::object callback) {
        return pack_for_llama(path, {type, metadata}, cast, output, thread_count,
                              std::move(callback));
      },
      nb::arg("path"), nb::arg("type"), nb::arg("metadata"), nb::arg("cast"), nb::arg("output"),
      threads, progress);
  module.def("unpack", unpack, nb::arg("path"), nb::arg("output"), threads, progress);
  module.def("verify", verify, nb::arg("file"), nb::arg("original"), nb::arg("cast"), threads,
             progress);
  module.def(
      "export",
      [](const std::filesystem::path& path, const std::string& to,
         const std::vector<std::string>& include, const std::vector<std::string>& exclude,
         const OutputArguments& output, int thread_count, nb::object callback) {
        Selection selection;
        selection.include = include;
        selection.exclude = exclude;
        return export_packed(path, to, selection, output, thread_count, std::move(callback));
      },
      nb::arg("path"), nb::arg("to"), nb::arg("include"), nb::arg("exclude"), nb::arg("output"),
      threads, progress);
  module.def("convert", convert, nb::arg("path"), nb::arg("options"), nb::arg("into").none(),
             nb::arg("output"), threads, progress);
  module.def("compare", compare, nb::arg("reference"), nb::arg("other"), nb::arg("match"),
             nb::arg("cast"), progress);
  module.def("inspect", inspect, nb::arg("path"), nb::arg("stats"), progress);
  module.def("inspect_graph", inspect_network, nb::arg("path"), nb::arg("model_name"),
             nb::arg("eval_image_size"), nb::arg("shapes"), progress);
  module.def("plan", plan, nb::arg("path"), nb::arg("request"), nb::arg("damage"), nb::arg("args"),
             nb::arg("accuracy").none(), nb::arg("best").none(), nb::arg("output"), threads,
             progress);
}

}  // namespace narrow::python
