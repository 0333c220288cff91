// What is to become of the tensors of a checkpoint, as it is typed: the options that every command
// has which quantizes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/options/exports.h"
#include "cli/options/scheme_options.h"
#include "cli/parser/command.h"
#include "narrow/quantize_checkpoint.h"

namespace narrow {

struct PlanOptions {
  SchemeOptions scheme;
  int bits = 0;
  std::string plan;
  std::string plan_text;  // of that file, when it has been read: a pipe gives it once
  std::vector<std::string> rules;
  std::string rule_file;
  std::string saved_plan;
  Selection selection;
  NonFinitePolicy non_finite = NonFinitePolicy::kError;
  std::string cast;  // of float8 weights
};

// Adds --scheme to --nonfinite and a footer that explains the schemes.
void add_plan_options(Command& command, PlanOptions& options);

// What is to be done, and what it is called.
struct NamedPlan {
  QuantizePlan plan;
  std::string directory;  // "bin_4bits": the default one of a result
  std::string title;
};

// Whether there is a scheme, a plan or a rule at all.
bool has_plan(const PlanOptions& options);
// Of --plan.
std::filesystem::path plan_path(const PlanOptions& options);

// Says on standard error whose channels are not certain. Throws Error(kUsage) when there is neither
// a scheme nor a plan nor a rule, and what making or reading the plan throws.
NamedPlan named_plan(const PlanOptions& options, const CheckpointReader& reader);

// Throws Error(kUsage) for a tensor whose name a saved plan cannot hold, where one is wanted.
void require_names_to_save(const PlanOptions& options, const CheckpointReader& reader,
                           const QuantizePlan& plan);

// The file of --save-plan, if that was given. Its name is taken when this is made, and it appears
// when the plan is written.
class SavedPlan {
 public:
  // Throws Error(kExists) when the file is there and `force` is not given.
  SavedPlan(const PlanOptions& options, bool force);
  void write(const CheckpointReader& reader, const QuantizePlan& plan);
  // "plan: FILE\n" for people; empty without a file.
  [[nodiscard]] std::string text() const;

 private:
  std::string path_;
  std::optional<StagedFile> file_;
};

}  // namespace narrow
