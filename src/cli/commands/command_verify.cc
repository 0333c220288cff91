#include <memory>
#include <nlohmann/json.hpp>

#include "base/special_file.h"
#include "cli/commands/commands.h"
#include "cli/console/job_progress.h"
#include "cli/options/common_options.h"
#include "cli/options/tensor_options.h"
#include "narrow/error.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/quantize_recipe.h"
#include "report/packed_report.h"
#include "report/report.h"

namespace narrow {
namespace {

bool is_onnx(const std::string& file) {
  if (is_input_stream(file)) return false;
  try {
    return locate_checkpoint(file).format == CheckpointFormat::kOnnx;
  } catch (const Error&) {
    return false;  // who reads it says what is wrong with it
  }
}

}  // namespace

void add_verify_command(Command& program, CommandOutcome& outcome) {
  struct Arguments {
    std::string file;
    std::string checkpoint;
    int threads = 0;
    std::string cast;
    bool json = false;
  };
  Command command = program.add_subcommand(
      "verify", "Do again what made a packed file or a quantized ONNX file, and compare");
  auto args = std::make_shared<Arguments>();
  command.add_option("file", args->file, "what narrow pack or, of an ONNX file, quantize wrote")
      .required()
      .type_name("FILE");
  command.add_option("checkpoint", args->checkpoint, "what it was made from")
      .required()
      .type_name("CKPT");
  add_threads_option(command, args->threads);
  add_cast_option(command, args->cast);
  add_json_flag(command, args->json);
  command.footer(
      "The recipe is the one in FILE. Codes, parameters and values must all be those that the\n"
      "checkpoint gives. Exit status 1 when something differs.");
  command.callback([args, &outcome] {
    JobProgress progress("verifying");
    std::vector<PackedDifference> differences;
    std::size_t tensors = 0;
    if (is_onnx(args->file)) {
      const auto result = open_checkpoint(args->file);
      const auto reader = open_unpacked(args->checkpoint, cast_of(args->cast));
      differences = verify_quantized(*result, *reader, {args->threads, &progress});
      tensors = reader->tensors().size();
    } else {
      const PackedCheckpoint packed(args->file);
      const auto reader = open_unpacked(args->checkpoint, cast_of(args->cast));
      differences = verify_packed(packed, *reader, {args->threads, &progress});
      tensors = packed.contents().tensors.size();
    }
    progress.finish();
    print_result(args->json ? json_text(differences_json(differences))
                            : differences_text(differences, tensors));
    outcome.exit_status = differences.empty() ? 0 : 1;
  });
}

}  // namespace narrow
