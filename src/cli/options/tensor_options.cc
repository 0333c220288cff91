#include "cli/options/tensor_options.h"

#include <fmt/format.h>

#include "cli/console/console.h"
#include "cli/options/slim_flags.h"
#include "narrow/float8_weights.h"

namespace narrow {

Option add_moving_averages_option(Command& command, bool& moving_averages) {
  return command.add_flag(slim_flag("moving_averages"), moving_averages,
                          "instead of variables their moving averages, which eval "
                          "--moving_average_decay evaluates");
}

void add_cast_option(Command& command, std::string& cast) {
  command
      .add_option("--cast", cast,
                  "what float8 weights become: bfloat16 (default) or float32; with it those "
                  "without a scale too")
      .one_of({"bfloat16", "float32"});
}

std::optional<DType> cast_of(const std::string& cast) {
  if (cast.empty()) return std::nullopt;
  if (cast == "float16") return DType::kFloat16;
  return cast == "float32" ? DType::kFloat32 : DType::kBFloat16;
}

void add_type_cast_option(Command& command, std::string& cast) {
  command.add_option("--cast", cast, "type of all floating-point tensors, float8 weights too")
      .one_of({"float32", "float16", "bfloat16"});
}

void note_moving_averages(const CopyCounts& copied) {
  const auto found = copied.find(CopyReason::kMovingAverage);
  if (found == copied.end()) return;
  print_note(
      fmt::format("{} moving average{} of variables {} copied, not quantized; for a network "
                  "that is evaluated by them there is --moving_averages",
                  found->second, found->second == 1 ? "" : "s", found->second == 1 ? "is" : "are"));
}

void note_float8(const CheckpointReader& reader) {
  if (const auto summary = float8_summary(reader)) print_note(describe(*summary));
}

}  // namespace narrow
