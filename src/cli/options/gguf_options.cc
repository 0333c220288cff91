#include "cli/options/gguf_options.h"

#include <fmt/format.h>

#include <vector>

#include "base/utf8.h"
#include "cli/console/job_progress.h"
#include "cli/console/tensor_warnings.h"
#include "cli/options/output_location.h"
#include "narrow/error.h"
#include "narrow/pack_gguf.h"
#include "report/copied_report.h"
#include "report/gguf_report.h"
#include "report/report.h"
#include "report/table/table_formats.h"

namespace narrow {

void add_gguf_options(Command& command, GgufOptions& options) {
  Option to = command.add_option("--to", options.to, "a GGUF file for llama.cpp, without a scheme")
                  .one_of({"gguf"})
                  .group("GGUF");
  for (const char* name :
       {"--scheme",     "--bits",        "--granularity", "--axis",           "--scaling",
        "--range",      "--q",           "--ap-fixed",    "--fraction-bits",  "--signed",
        "--round-mode", "--overflow",    "--include",     "--exclude",        "--moving_averages",
        "--rule",       "--rules",       "--plan",        "--save-plan",      "--nonfinite",
        "--export-csv", "--export-html", "--export-json", "--export-markdown"}) {
    to.excludes(command.get_option(name));
  }
  command.add_option("--type", options.type, "with --to gguf: of weights")
      .one_of(gguf_pack_types())
      .group("GGUF");
  command
      .add_option("--metadata", options.metadata,
                  "with --to gguf: what llama.cpp needs besides tensors; default CKPT, if it is a "
                  "GGUF file")
      .type_name("FILE.gguf")
      .group("GGUF");
}

void check_gguf_options(const GgufOptions& options) {
  if (options.to.empty() && !(options.type.empty() && options.metadata.empty())) {
    throw Error(ErrorCategory::kUsage, "--type and --metadata go with --to gguf");
  }
  if (!options.to.empty() && options.type.empty()) {
    throw Error(ErrorCategory::kUsage, "--to gguf needs --type, for example Q8_0");
  }
}

void run_gguf_pack(const CheckpointReader& reader, const GgufOptions& options, const GgufRun& run) {
  const CheckpointLocation output =
      output_location(reader.location(), CheckpointFormat::kGguf, run.output, options.type);
  JobProgress progress("packing");
  const GgufPackResult result = pack_gguf(reader, {options.type, options.metadata}, output.path,
                                          run.overwrite, {run.threads, &progress});
  progress.finish();
  std::vector<std::string> others;
  for (const GgufPackedTensor& tensor : result.tensors) {
    if (tensor.choice == GgufChoice::kRows) others.push_back(tensor.info.name);
  }
  if (!others.empty()) {
    print_note(fmt::format("rows of {} are no multiple of the blocks of {}: F16", name_some(others),
                           options.type));
  }
  if (run.json) {
    nlohmann::ordered_json json = gguf_json(result);
    add_float8(reader, json);
    json["input"] = reader.location().path.string();
    json["output"] = output.path.string();
    print_result(json_text(json));
    return;
  }
  if (run.per_tensor) print_result(table_text(gguf_table(result)));
  print_result(float8_text(reader) + gguf_summary_text(result));
  print_result(fmt::format("written: {}\n", shown(output.path.string())));
}

}  // namespace narrow
