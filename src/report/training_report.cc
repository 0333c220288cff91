#include "report/training_report.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "report/table/numbers.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

// "45 s", "3 min 20 s", "1 h 05 min".
std::string duration_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

std::string steps_text(const TrainSummary& plan, const TrainOptions& options) {
  std::string text = fmt::format("from step {}", plan.first_step);
  if (options.max_number_of_steps) {
    text += fmt::format(" to {} ({:.1f} epochs)", *options.max_number_of_steps,
                        static_cast<double>(*options.max_number_of_steps - plan.first_step) *
                            options.step_images() / static_cast<double>(plan.record_count));
  } else {
    text += " on, without end";
  }
  return text;
}

std::string rate_text(const TrainSummary& plan, const TrainOptions& options) {
  const LearningRateOptions& rate = options.learning_rate;
  std::string text = fmt::format("{} with a learning rate of {}", to_string(options.optimizer.kind),
                                 format_short(rate.initial));
  switch (rate.decay) {
    case LearningRateDecay::kFixed:
      break;
    case LearningRateDecay::kExponential:
      text += fmt::format(", times {} every {} steps", rate.decay_factor, plan.decay_steps);
      break;
    case LearningRateDecay::kPolynomial:
    case LearningRateDecay::kCosine:
      text += fmt::format(", {} to {} over {} steps", to_string(rate.decay), format_short(rate.end),
                          plan.decay_steps);
      break;
  }
  if (rate.warmup_steps > 0) text += fmt::format(", after {} steps of warm-up", rate.warmup_steps);
  return text;
}

ordered_json step_json(const TrainStep& step) {
  return {{"global_step", step.global_step},
          {"loss", json_number(step.loss)},
          {"cross_entropy", json_number(step.cross_entropy)},
          {"accuracy", step.accuracy},
          {"learning_rate", step.learning_rate},
          {"seconds_per_step", step.seconds_per_step},
          {"images_per_second", step.images_per_second}};
}

}  // namespace

std::string train_step_text(const TrainStep& step) {
  std::string text = fmt::format(
      "global step {}: loss = {:.4f} ({:.3f} sec/step)  accuracy {:.4f}  learning rate {}  "
      "{:.1f} images/s",
      step.global_step, step.loss, step.seconds_per_step, step.accuracy,
      format_short(double{step.learning_rate}), step.images_per_second);
  if (step.seconds_left) text += fmt::format("  {} left", duration_text(*step.seconds_left));
  return text + '\n';
}

std::string train_plan_text(const TrainSummary& plan, const TrainOptions& options) {
  std::string text = fmt::format("{} with {} classes: {} variables, {} numbers; trained: {}, {}\n",
                                 plan.network, plan.class_count, plan.variables, plan.elements,
                                 plan.trained_variables, plan.trained_elements);
  text += fmt::format(
      "{}: {} images, {} steps an epoch at a batch size of {}\n", plan.records.string(),
      plan.record_count, plan.steps_per_epoch,
      options.num_clones == 1
          ? fmt::format("{}", options.batch_size)
          : fmt::format("{} in each of {} clones", options.batch_size, options.num_clones));
  text += fmt::format("{}; {}\n", steps_text(plan, options), rate_text(plan, options));
  return text;
}

std::string train_result_text(const TrainResult& result, const TrainOptions& options) {
  if (result.was_finished) {
    return fmt::format("nothing to do: {} is at step {} already\n", result.checkpoint.string(),
                       result.global_step);
  }
  const std::int64_t steps = result.global_step - result.plan.first_step;
  return fmt::format("{} steps in {}, {:.1f} images/s\nwritten: {}\n", steps,
                     duration_text(result.seconds), result.images_per_second(options),
                     result.checkpoint.string());
}

ordered_json train_plan_json(const TrainSummary& plan) {
  return {{"network", plan.network},
          {"classes", plan.class_count},
          {"variables", plan.variables},
          {"elements", plan.elements},
          {"trained_variables", plan.trained_variables},
          {"trained_elements", plan.trained_elements},
          {"records", plan.records.string()},
          {"record_count", plan.record_count},
          {"first_step", plan.first_step},
          {"steps_per_epoch", plan.steps_per_epoch},
          {"decay_steps", plan.decay_steps},
          {"features_cached", plan.features_cached}};
}

ordered_json train_result_json(const TrainResult& result, const TrainOptions& options) {
  ordered_json json = {{"schema", 1},
                       {"plan", train_plan_json(result.plan)},
                       {"global_step", result.global_step},
                       {"was_finished", result.was_finished},
                       {"checkpoint", result.checkpoint.string()},
                       {"log", ordered_json::array()},
                       {"seconds", result.seconds},
                       {"images_per_second", result.images_per_second(options)}};
  for (const TrainStep& step : result.log) json["log"].push_back(step_json(step));
  return json;
}

Report train_report(const TrainResult& result, const TrainOptions& options) {
  Report report;
  report.title = fmt::format("Training of {}", result.plan.network);
  report.facts = {{"images", result.plan.records.string()},
                  {"steps", steps_text(result.plan, options)},
                  {"optimizer", rate_text(result.plan, options)},
                  {"checkpoint", result.checkpoint.string()}};
  Table table{"log",
              "Steps",
              {{"global_step", "step", CellStyle::kInteger},
               {"loss", "loss", CellStyle::kShort},
               {"cross_entropy", "cross entropy", CellStyle::kShort},
               {"accuracy", "accuracy", CellStyle::kRate},
               {"learning_rate", "learning rate", CellStyle::kShort},
               {"images_per_second", "images/s", CellStyle::kFixed2}},
              {}};
  for (const TrainStep& step : result.log) {
    table.add_row({static_cast<std::uint64_t>(step.global_step), step.loss, step.cross_entropy,
                   step.accuracy, double{step.learning_rate}, step.images_per_second});
  }
  report.tables.push_back(std::move(table));
  report.json = train_result_json(result, options);
  return report;
}

}  // namespace narrow
