#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/special_file.h"
#include "base/utf8.h"
#include "cli/arguments/method_options.h"
#include "cli/arguments/tensor_options.h"
#include "cli/commands.h"
#include "cli/packed/pack_progress.h"
#include "narrow/error.h"
#include "narrow/export_codes.h"
#include "narrow/packed_checkpoint.h"
#include "report/packed_report.h"
#include "report/report.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

constexpr std::array kFormats = {CodeFormat::kCHeader, CodeFormat::kMem, CodeFormat::kHex,
                                 CodeFormat::kCoe,     CodeFormat::kMif, CodeFormat::kNpy};

struct Arguments {
  std::string input;
  std::string format;
  std::string output;
  MethodOptions method;  // of a checkpoint; a packed file has its own
  int threads = 0;
  bool force = false;
  bool json = false;
};

// A folder for the packed form of a checkpoint, which is needed no longer than the export takes.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string path = (fs::temp_directory_path() / "narrow-export-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) {
      throw Error(ErrorCategory::kIo,
                  fmt::format("cannot create a folder in {}; set TMPDIR to one that is writable",
                              fs::temp_directory_path().string()));
    }
    path_ = path;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

CodeFormat format_of(const std::string& name) {
  for (const CodeFormat format : kFormats) {
    if (to_string(format) == name) return format;
  }
  throw Error(ErrorCategory::kUsage, fmt::format("{} is no format of an export", name));
}

std::vector<ExportedCodes> export_input(const Arguments& args, PackProgress& progress) {
  const CodeFormat format = format_of(args.format);
  const Overwrite overwrite = args.force ? Overwrite::kYes : Overwrite::kNo;
  if (!has_method(args.method)) {
    return export_codes(PackedCheckpoint(args.input), format, args.method.selection, args.output,
                        overwrite, &progress);
  }
  const auto reader = open_unpacked(args.input, cast_of(args.method.cast));
  note_float8(*reader);
  const TemporaryFolder folder;
  const fs::path packed = folder.path() / "packed.safetensors";
  const PackedContents contents = pack_checkpoint(*reader, method_of(args.method, *reader).plan,
                                                  {args.method.non_finite_policy(), args.threads},
                                                  packed, Overwrite::kNo, &progress);
  progress.finish();
  for (const std::string& sentence : overflow_sentences(contents)) print_warning(sentence);
  return export_codes(PackedCheckpoint(packed), format, {}, args.output, overwrite, &progress);
}

nlohmann::ordered_json to_json(const std::vector<ExportedCodes>& exported) {
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  for (const ExportedCodes& tensor : exported) {
    tensors.push_back({{"name", tensor.tensor},
                       {"identifier", tensor.identifier},
                       {"file", tensor.file.string()},
                       {"codes", tensor.codes},
                       {"sum", tensor.sum},
                       {"crc32c", fmt::format("{:08x}", tensor.crc32c)}});
  }
  return {{"schema", 1}, {"tensors", std::move(tensors)}};
}

void run(const Arguments& args) {
  if (args.output == "-") refuse_special_target(args.output);
  PackProgress progress("exporting");
  const std::vector<ExportedCodes> exported = export_input(args, progress);
  progress.finish();
  if (args.json) {
    nlohmann::ordered_json json = to_json(exported);
    json["input"] = args.input;
    json["output"] = args.output;
    print_result(json_text(json));
    return;
  }
  std::uint64_t codes = 0;
  for (const ExportedCodes& tensor : exported) codes += tensor.codes;
  print_result(fmt::format("{} tensors with {} codes\nwritten: {}\n", exported.size(), codes,
                           shown(args.output)));
}

}  // namespace

void add_export_command(Command& program, CommandOutcome& /*outcome*/) {
  Command command =
      program.add_subcommand("export", "Write codes for C, Verilog, FPGA tools and NumPy");
  auto args = std::make_shared<Arguments>();
  command
      .add_option("input", args->input,
                  "what narrow pack wrote, or with --scheme or --plan a checkpoint")
      .required()
      .type_name("FILE|CKPT");
  command.add_option("--to", args->format, "see below")
      .required()
      .one_of({"c-header", "mem", "hex", "coe", "mif", "npy"});
  command.add_option("-o,--output", args->output, "a file for c-header, else a directory")
      .required();
  add_method_options(command, args->method);
  command.add_option("--threads", args->threads, "0: all cores").in_range(0, 1024);
  command.add_flag("--force", args->force, "replace an existing result");
  command.add_flag("--json", args->json, "print one JSON object instead of text");
  command.footer(
      "Formats: c-header  integer arrays, parameters and a self-check, for C99 and C++\n"
      "         mem, hex  $readmemh of Verilog, with and without comments\n"
      "         coe, mif  memory initialization of Xilinx and Intel tools\n"
      "         npy       NumPy arrays of the smallest integer type\n"
      "All but c-header give a file for each tensor, named after it. --include and --exclude "
      "choose\n"
      "among the tensors that are quantized.");
  command.callback([args] { run(*args); });
}

}  // namespace narrow
