#include "cli/commands/best_recipe.h"

#include <fmt/format.h>

#include "narrow/error.h"

namespace narrow {
namespace {

[[noreturn]] void refuse(const std::string& sentence) {
  throw Error(ErrorCategory::kUsage, sentence);
}

}  // namespace

std::string choose_best(const CheckpointReader& reader, const std::string& typed,
                        PlanOptions& options, NetworkArguments& network) {
  if (reader.location().format != CheckpointFormat::kOnnx) {
    refuse("--best chooses for ONNX files; docs/methods.md has the recipe for ResNet V1");
  }
  const bool has_rules = !options.rules.empty() || !options.rule_file.empty();
  if (!options.plan.empty() || has_rules || options.bits == 0) {
    refuse("--best chooses methods for one width, --bits, and takes no --plan and no rules");
  }
  std::string chosen;
  const auto choose = [&](const std::string& option, const std::string& value, std::string& to) {
    if (typed.find(" " + option) != std::string::npos) return;
    to = value;
    chosen += fmt::format(" {} {}", option, value);
  };
  choose("--scheme", "symmetric", options.scheme.kind);
  choose("--granularity", "channel", options.scheme.granularity);
  choose("--range", "mse", options.scheme.range);
  const auto choose_method = [&](const std::string& option, bool& method) {
    if (!method) chosen += " " + option;
    method = true;
  };
  if (options.scheme.granularity == "tensor") {
    choose_method("--absorb-channel-scales", network.methods.absorb_channel_scales);
  }
  const ImageSource& images = network.images.source;
  if (images.pictures.empty() && images.dataset_dir.empty()) {
    return fmt::format(
        "best: the same as{}\nimages would allow more: with 100 (--images, --preprocessing_name) "
        "weights are rounded for what layers make, and biases corrected\n",
        chosen);
  }
  if (network.methods.rounding == Rounding::kNearest) {
    network.methods.rounding = Rounding::kGptq;
    chosen += " --round gptq";
  }
  choose_method("--bias-correct", network.methods.bias_correct);
  return fmt::format("best: the same as{}\n", chosen);
}

}  // namespace narrow
