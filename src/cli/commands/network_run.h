// The options of the methods that use a network's structure, and how a run with them goes: what
// `quantize` and `quantizer` share.
#pragma once

#include <string>

#include "cli/commands/quantize_run.h"
#include "cli/parser/command.h"
#include "narrow/quantize_network.h"
#include "report/report.h"

namespace narrow {

struct NetworkArguments {
  NetworkMethods methods;
  CalibrationImages images;

  // With the images when some were named. Throws Error(kUsage) for methods together with moving
  // averages: they change the variables.
  [[nodiscard]] NetworkMethods chosen(bool moving_averages) const;
};

// --fold to --bias-correct, in `group` of the help.
void add_method_options(Command& command, NetworkMethods& methods, const std::string& group);

// These and the images that they see.
void add_network_options(Command& command, NetworkArguments& args);

// `directory` and what the methods add: "bin_4bits-absorb-flips".
std::string network_directory_name(std::string directory, const NetworkMethods& methods);

// What a quantization has to say.
struct QuantizeReports {
  Report report;  // its json is complete, its tables are those of --per-tensor
  QuantizeSummary summary;
  std::string summary_text;
  std::string network_text;  // what the methods add to it; empty without any
};

// Quantizes as the plan says, which reports call `title`, with the methods if there are any, and
// writes unless it is a dry run: the channel scales first, so that a checkpoint in place has them.
QuantizeReports quantize_and_report(const CheckpointReader& reader, const QuantizePlan& plan,
                                    const std::string& title, const NetworkMethods& methods,
                                    const QuantizeRun& run);

}  // namespace narrow
