#include "cli/console/train_console.h"

#include <fmt/format.h>

#include "base/utf8.h"
#include "cli/console/console.h"
#include "report/training_report.h"

namespace narrow {

void TrainConsole::on_note(const std::string& sentence) { print_note(sentence); }

void TrainConsole::on_plan(const TrainSummary& plan) {
  print_account(train_plan_text(plan, options_), json_);
}

void TrainConsole::on_step(const TrainStep& step) { print_account(train_step_text(step), json_); }

void TrainConsole::on_checkpoint(const std::filesystem::path& checkpoint) {
  print_account(fmt::format("saved {}\n", shown(checkpoint.string())), json_);
}

bool TrainConsole::on_progress(std::uint64_t /*done*/, std::uint64_t /*total*/,
                               ProgressUnit /*unit*/) {
  return !is_interrupted();
}

}  // namespace narrow
