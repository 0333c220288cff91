#include "cli/options/axis_options.h"

#include <fmt/format.h>

#include "cli/console/console.h"
#include "cli/console/tensor_warnings.h"
#include "narrow/error.h"

namespace narrow {

Option add_axis_option(Command& command, std::vector<std::string>& values) {
  return command
      .add_option("--axis", values,
                  "channel axis, negative from the last; default 0 for safetensors,\n"
                  "else -1, of depthwise kernels the last two together. GLOB=N: of\n"
                  "tensors of this GLOB, the first match counts; GLOB=2,3: both together")
      .type_name("[GLOB=]N")
      .expected(1)
      .take_all();
}

AxisRules axis_rules(const std::vector<std::string>& values) {
  AxisRules rules;
  for (const std::string& value : values) {
    const auto equals = value.rfind('=');
    if (equals == 0) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("--axis {}: expected N or GLOB=N, such as '*/kernel=2'", value));
    }
    if (equals != std::string::npos) {
      rules.by_name.push_back(
          {value.substr(0, equals), parse_channel_axes(value.substr(equals + 1))});
      continue;
    }
    if (rules.others) {
      throw Error(
          ErrorCategory::kUsage,
          fmt::format("--axis {} and --axis {} are both for all tensors: keep one, or write "
                      "--axis GLOB=N",
                      to_string(*rules.others), value));
    }
    rules.others = parse_channel_axes(value);
  }
  return rules;
}

void require_no_axes(const std::vector<std::string>& values) {
  if (values.empty()) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("--axis {} is for --granularity channel", values.front()));
}

void AxisDoubts::add(const Scheme& scheme, const TensorInfo& info) {
  const AxisDoubt doubt = axis_doubt(scheme, info, format_, rules_);
  if (doubt == AxisDoubt::kNone) return;
  std::vector<std::string>& names = doubt == AxisDoubt::kSingleChannel ? single_ : guessed_;
  names.push_back(fmt::format("{} {}", info.name, to_string(info.shape)));
}

void AxisDoubts::tell() const {
  if (!single_.empty()) {
    const std::string subject =
        single_.size() == 1
            ? "1 tensor with a channel axis of length 1 has one range"
            : fmt::format("{} tensors with a channel axis of length 1 have one range each",
                          single_.size());
    print_note(
        fmt::format("{}: {}; --axis 'GLOB=N' names another axis", subject, name_some(single_)));
  }
  if (!guessed_.empty()) {
    const std::string subject =
        guessed_.size() == 1
            ? "1 kernel whose last axis has length 1 is"
            : fmt::format("{} kernels whose last axis has length 1 are", guessed_.size());
    print_note(
        fmt::format("{} taken for depthwise, the last two axes together as channels: {}; "
                    "--axis 'GLOB=N' names another axis",
                    subject, name_some(guessed_)));
  }
}

}  // namespace narrow
