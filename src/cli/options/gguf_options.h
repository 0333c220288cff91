// Options of narrow pack that write a GGUF file instead of codes of a scheme.
#pragma once

#include <string>

#include "cli/parser/command.h"
#include "narrow/checkpoint.h"
#include "narrow/run_options.h"

namespace narrow {

struct GgufOptions {
  std::string to;  // "gguf" or empty
  std::string type;
  std::string metadata;
};

// --to, --type and --metadata. Those of schemes do not go with the first: they have been added.
void add_gguf_options(Command& command, GgufOptions& options);

// Throws Error(kUsage) for one of them without the other.
void check_gguf_options(const GgufOptions& options);

struct GgufRun {
  std::string output;  // empty: <type>/ beside the checkpoint
  Overwrite overwrite = Overwrite::kNo;
  int threads = 0;
  bool per_tensor = false;
  bool json = false;
};

// Writes the file and says so.
void run_gguf_pack(const CheckpointReader& reader, const GgufOptions& options, const GgufRun& run);

}  // namespace narrow
