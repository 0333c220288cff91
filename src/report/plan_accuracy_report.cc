#include "report/plan_accuracy_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "report/evaluation_report.h"
#include "report/plan_report.h"
#include "report/table/numbers.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

constexpr double kPointsOfAll = 100;

std::string goal_text(const AccuracyGoal& goal) {
  if (goal.max_drop) {
    return fmt::format("at most {} point{} of top-1 lost", *goal.max_drop,
                       *goal.max_drop == 1 ? "" : "s");
  }
  return fmt::format("top-1 of at least {} %", goal.min_accuracy.value_or(0));
}

std::string percent_text(const HitRate& rate) {
  return fmt::format("{:.2f} %", kPointsOfAll * rate.value());
}

std::string name_of(const PlanScore& score) {
  return score.single_bits ? fmt::format("{} bits", *score.single_bits) : "plan";
}

std::vector<TableColumn> score_columns() {
  using enum CellStyle;
  return {{"network", "network", kText},
          {"bytes", "bytes", kInteger},
          {"average_bits", "bits/weight", kFixed2},
          {"accuracy", "top-1", kRate},
          {"accuracy_difference", "points", kDelta},
          {"difference_low", "95 % from", kDelta},
          {"difference_high", "to", kDelta},
          {"expected_difference", "expected", kDelta}};
}

void append_difference(const PairedComparison& comparison, std::vector<TableCell>& row) {
  row.insert(row.end(), {comparison.difference, comparison.difference_interval.low,
                         comparison.difference_interval.high});
}

std::vector<TableCell> score_cells(const PlanScore& score) {
  std::vector<TableCell> row = {name_of(score), score.bytes, score.average_bits,
                                score.accuracy.value()};
  append_difference(score.comparison, row);
  row.emplace_back(-score.expected_drop);
  return row;
}

// "0.80 points below float (difference -2.00 to +0.40 with 95 %)".
std::string difference_text(const PairedComparison& comparison) {
  const double points = kPointsOfAll * comparison.difference;
  return fmt::format("{:.2f} points {} float (difference {:+.2f} to {:+.2f} with 95 %)",
                     std::abs(points), points <= 0 ? "below" : "above",
                     kPointsOfAll * comparison.difference_interval.low,
                     kPointsOfAll * comparison.difference_interval.high);
}

// Whether the interval of what the goal is about has the goal in it.
bool is_within_noise(const PlanAccuracy& accuracy) {
  const PlanScore& plan = accuracy.verification.plan;
  if (accuracy.goal.min_accuracy) {
    return kPointsOfAll * plan.accuracy.interval.high >= *accuracy.goal.min_accuracy;
  }
  return -kPointsOfAll * plan.comparison.difference_interval.high <=
         accuracy.goal.max_drop.value_or(0);
}

std::string search_text(const AccuracyPlan& plan) {
  const PlanAccuracy& accuracy = plan.accuracy;
  const PlanTrial& taken = accuracy.trials.at(accuracy.taken);
  std::string text = fmt::format(
      "goal     {}\nsearch   on {} of {} images, of which float has {}; {} networks "
      "were tried\n",
      goal_text(accuracy.goal), accuracy.search_images,
      accuracy.verification.images.records_in_file, percent_text(accuracy.search_float),
      accuracy.trials.size());
  text += fmt::format("fewest   {:.3f} bits a weight, {}\n", taken.average_bits,
                      format_bytes(taken.bytes));
  if (!accuracy.least_single) {
    text += "         no single width keeps the goal there\n";
  } else {
    const PlanTrial& single = accuracy.trials.at(*accuracy.least_single);
    text += fmt::format("         at one width it takes {} bits: {}\n",
                        single.single_bits.value_or(0), format_bytes(single.bytes));
  }
  return text;
}

ordered_json difference_json(const PairedComparison& comparison) {
  return {{"accuracy_difference", comparison.difference},
          {"bonett_price_95",
           {comparison.difference_interval.low, comparison.difference_interval.high}},
          {"mcnemar_exact_p", comparison.mcnemar_p}};
}

ordered_json score_json(const PlanScore& score) {
  ordered_json json = {{"single_bits", nullptr},
                       {"bytes", score.bytes},
                       {"average_bits", score.average_bits},
                       {"damage", json_number(score.damage)},
                       {"accuracy", hit_rate_json(score.accuracy)}};
  if (score.single_bits) json["single_bits"] = *score.single_bits;
  json.update(difference_json(score.comparison));
  json["expected_difference"] = json_number(-score.expected_drop);
  return json;
}

ordered_json search_json(const PlanAccuracy& accuracy) {
  ordered_json trials = ordered_json::array();
  for (const PlanTrial& trial : accuracy.trials) {
    trials.push_back(score_json(trial));
    trials.back()["holds"] = trial.holds;
  }
  ordered_json json = {{"images", accuracy.search_images},
                       {"float", hit_rate_json(accuracy.search_float)},
                       {"trials", std::move(trials)},
                       {"taken", accuracy.taken},
                       {"least_single", nullptr}};
  if (accuracy.least_single) json["least_single"] = *accuracy.least_single;
  return json;
}

ordered_json verification_json(const PlanVerification& verification) {
  ordered_json singles = ordered_json::array();
  for (std::size_t i = 0; i < verification.singles.size(); ++i) {
    singles.push_back(score_json(verification.singles[i]));
    singles.back()["plan"] = difference_json(verification.plan_to_singles[i]);
  }
  return {{"dataset", verification.images.dataset_name},
          {"split", verification.images.split_name},
          {"images", verification.images.images},
          {"records", verification.images.records_in_file},
          {"float", hit_rate_json(verification.float_accuracy)},
          {"plan", score_json(verification.plan)},
          {"single_widths", std::move(singles)},
          {"holds", verification.holds}};
}

}  // namespace

Table trials_table(const PlanAccuracy& accuracy) {
  Table table{"trials", "Networks of the search", score_columns(), {}};
  table.columns.push_back({"holds", "goal", CellStyle::kText});
  std::vector<const PlanTrial*> trials;
  for (const PlanTrial& trial : accuracy.trials) trials.push_back(&trial);
  std::ranges::stable_sort(trials, {}, [](const PlanTrial* trial) { return trial->bytes; });
  for (const PlanTrial* const trial : trials) {
    std::vector<TableCell> row = score_cells(*trial);
    const bool is_taken = trial == &accuracy.trials[accuracy.taken];
    row.emplace_back(is_taken ? "kept, taken" : trial->holds ? "kept" : "missed");
    table.add_row(std::move(row));
  }
  return table;
}

Table verification_table(const PlanAccuracy& accuracy) {
  const PlanVerification& verification = accuracy.verification;
  Table table{"verification", "On images that nothing was chosen with", score_columns(), {}};
  // A terminal is narrow, and bits a weight say the size.
  for (TableColumn& column : table.columns) {
    const bool is_for_programs = column.name == "bytes" || column.name == "expected_difference";
    if (is_for_programs) column.audience = TableColumn::Audience::kPrograms;
  }
  table.columns.insert(table.columns.end(),
                       {{"plan_difference", "plan above", CellStyle::kDelta},
                        {"plan_difference_low", "95 % from", CellStyle::kDelta},
                        {"plan_difference_high", "to", CellStyle::kDelta}});
  std::vector<TableCell> row = {"float", {}, {}, verification.float_accuracy.value()};
  row.resize(table.columns.size());
  table.add_row(std::move(row));
  row = score_cells(verification.plan);
  row.resize(table.columns.size());
  table.add_row(std::move(row));
  for (std::size_t i = 0; i < verification.singles.size(); ++i) {
    row = score_cells(verification.singles[i]);
    append_difference(verification.plan_to_singles[i], row);
    table.add_row(std::move(row));
  }
  return table;
}

std::string accuracy_text(const AccuracyPlan& plan) {
  const PlanAccuracy& accuracy = plan.accuracy;
  const PlanVerification& verification = accuracy.verification;
  const bool has_goal = accuracy.goal.is_set();
  std::string text;
  if (has_goal) text += search_text(plan) + "\n" + table_text(trials_table(accuracy)) + "\n";
  text += fmt::format("verified on {} of {} images, with which nothing was chosen:\n\n{}\n",
                      verification.images.images, verification.images.records_in_file,
                      table_text(verification_table(accuracy)));
  text += fmt::format("there the plan is {}", difference_text(verification.plan.comparison));
  if (!has_goal) return text + "\n";
  if (verification.holds) return text + ":\nthe goal is kept\n";
  return text +
         fmt::format(":\nthe goal is missed{}: search with more\nimages, or with a wider margin\n",
                     is_within_noise(accuracy) ? ", though the interval reaches it" : "");
}

ordered_json plan_json(const AccuracyPlan& plan) {
  ordered_json json = plan_json(plan.plan);
  const PlanAccuracy& accuracy = plan.accuracy;
  ordered_json goal = ordered_json::object();
  if (accuracy.goal.max_drop) goal["max_drop"] = *accuracy.goal.max_drop;
  if (accuracy.goal.min_accuracy) goal["min_accuracy"] = *accuracy.goal.min_accuracy;
  ordered_json all = ordered_json::object();
  if (accuracy.goal.is_set()) {
    all["goal"] = std::move(goal);
    all["search"] = search_json(accuracy);
  }
  all["verification"] = verification_json(accuracy.verification);
  json["accuracy"] = std::move(all);
  return json;
}

Report plan_report(const AccuracyPlan& plan) {
  Report report = plan_report(plan.plan);
  const PlanAccuracy& accuracy = plan.accuracy;
  const PlanVerification& verification = accuracy.verification;
  const auto add = [&](const char* name, std::string value) {
    report.facts.emplace_back(name, std::move(value));
  };
  std::vector<Table> tables = {verification_table(accuracy)};
  if (accuracy.goal.is_set()) {
    std::erase_if(report.facts, [](const auto& fact) { return fact.first == "budget"; });
    report.title = fmt::format("Fewest bits for {}: {}", plan.plan.input, goal_text(accuracy.goal));
    tables.push_back(trials_table(accuracy));
    add("searched on", fmt::format("{} images", accuracy.search_images));
    add("goal", verification.holds ? "kept" : "missed");
  }
  add("verified on", fmt::format("{} images", verification.images.images));
  add("top-1", fmt::format("{}, float {}", percent_text(verification.plan.accuracy),
                           percent_text(verification.float_accuracy)));
  add("there the plan", difference_text(verification.plan.comparison));
  std::ranges::move(report.tables, std::back_inserter(tables));
  report.tables = std::move(tables);
  report.json = plan_json(plan);
  return report;
}

}  // namespace narrow
