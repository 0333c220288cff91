// The options of `plan` that look at accuracy: a goal instead of a budget, the verification, and
// the methods that the networks are quantized with.
#pragma once

#include <string>

#include "cli/parser/command.h"
#include "narrow/checkpoint.h"
#include "narrow/plan_accuracy.h"

namespace narrow {

struct GoalArguments {
  AccuracyOptions accuracy;  // but for its images
  bool verify = false;
  bool best = false;
  std::uint64_t method_images = 0;  // 0: methods see none

  // Whether accuracy is looked at.
  [[nodiscard]] bool is_asked() const { return verify || accuracy.goal.is_set(); }
};

void add_goal_options(Command& command, GoalArguments& args);
void add_verification_options(Command& command, GoalArguments& args);

// For --best: what was not typed of the methods for the plan of `request`.
void fill_best_methods(const CheckpointReader& reader, const Command& command,
                       AllocationRequest& request, GoalArguments& args);

// For the plan of `request`. Throws Error(kUsage) for methods where accuracy is not looked at, and
// for images that are missing.
AccuracyOptions accuracy_options(const Command& command, const GoalArguments& args,
                                 const AllocationRequest& request);

// The command that quantizes as the plan in `file` was evaluated.
std::string quantize_command(const Command& command, const GoalArguments& args,
                             const AllocationRequest& request, const std::string& file);

}  // namespace narrow
