// --axis: which axes are the channels, for all tensors or for some.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cli/parser/command.h"
#include "narrow/channel_axes.h"

namespace narrow {

// Adds --axis, whose uses go to `values`. Returns a handle.
Option add_axis_option(Command& command, std::vector<std::string>& values);

// "N", "GLOB=N", "GLOB=2,3"; the last '=' counts. Throws Error(kUsage).
AxisRules axis_rules(const std::vector<std::string>& values);

// For schemes without channels: throws Error(kUsage) when an axis was given all the same.
void require_no_axes(const std::vector<std::string>& values);

// Says on standard error, once for each kind, which tensors have channels that are not certain.
class AxisDoubts {
 public:
  AxisDoubts(CheckpointFormat format, AxisRules rules)
      : format_(format), rules_(std::move(rules)) {}
  // `scheme` as it was given to with_channel_axes.
  void add(const Scheme& scheme, const TensorInfo& info);
  void tell() const;

 private:
  CheckpointFormat format_;
  AxisRules rules_;
  std::vector<std::string> single_;
  std::vector<std::string> guessed_;
};

}  // namespace narrow
