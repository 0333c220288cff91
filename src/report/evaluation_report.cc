#include "report/evaluation_report.h"

#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "report/table/numbers.h"
#include "report/table/table_formats.h"
#include "report/table/text_table.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;
using Align = TextTable::Align;

constexpr std::size_t kScoreColumns = 10;  // of what labels tell

std::string step_text(const Evaluation& evaluation) {
  if (!evaluation.global_step) return "no global_step";
  return fmt::format("step {}", *evaluation.global_step);
}

std::string hit_rate_text(const HitRate& rate) {
  return fmt::format("{:.4f}  ({} of {}, 95 % Wilson interval {:.4f} to {:.4f})", rate.value(),
                     rate.hits, rate.images, rate.interval.low, rate.interval.high);
}

bool has_arrays(const EvaluatedImages& images) { return images.preprocessing == "none"; }

std::string arrays_text(const EvaluateResult& result) {
  return fmt::format("{}: {} of {} examples, {}{}\n", result.dataset_name, result.images,
                     result.records_in_file,
                     result.has_classes ? fmt::format("{} classes", result.classes.size())
                                        : "no output of classes",
                     result.has_labels ? "" : ", no labels");
}

std::string dataset_text(const EvaluateResult& result) {
  if (has_arrays(result)) return arrays_text(result);
  std::string text = fmt::format("{} {}: {} of {} images, {} classes, {} preprocessing to {} x {}",
                                 result.dataset_name, result.split_name, result.images,
                                 result.records_in_file, result.classes.size(),
                                 result.preprocessing, result.image_size, result.image_size);
  const bool has_side = result.preprocessing != "cifarnet" && result.resize_side > 0;
  if (has_side) text += fmt::format(" of side {}", result.resize_side);
  if (!result.changes.empty()) text += fmt::format(" ({})", result.changes);
  text += '\n';
  if (result.images > result.records_in_file) {
    text += fmt::format("the last {} are images from the start of the file, counted again\n",
                        result.images - result.records_in_file);
  }
  return text;
}

std::string comparison_text(const PairedComparison& comparison, std::uint64_t images) {
  return fmt::format(
      "against the first: {} right only there, {} right only here, same class for {} of {}\n"
      "accuracy {:+.4f}  (95 % interval {:+.4f} to {:+.4f}), McNemar's exact p {:.4g}\n",
      comparison.only_first_correct, comparison.only_other_correct, comparison.same_argmax, images,
      comparison.difference, comparison.difference_interval.low,
      comparison.difference_interval.high, comparison.mcnemar_p);
}

std::string outputs_text(const LogitsComparison& outputs, bool has_classes) {
  if (!has_classes) {
    return fmt::format("outputs against the first: SQNR {}, cosine {:.6f}\n",
                       format_decibel(outputs.sqnr_db), outputs.cosine);
  }
  return fmt::format(
      "outputs against the first: same class {:.4f}, SQNR {}, cosine {:.6f}, "
      "mean KL {} nats\n",
      outputs.agreement, format_decibel(outputs.sqnr_db), outputs.cosine,
      format_short(outputs.mean_kl));
}

ordered_json outputs_json(const LogitsComparison& outputs) {
  return {{"agreement", json_number(outputs.agreement)},
          {"sqnr_db", json_number(outputs.sqnr_db)},
          {"cosine", json_number(outputs.cosine)},
          {"mean_kl", json_number(outputs.mean_kl)}};
}

ordered_json checkpoint_json(const Evaluation& evaluation, bool has_labels, std::size_t classes,
                             bool with_confusion) {
  ordered_json json = {{"path", evaluation.checkpoint.path.string()},
                       {"format", to_string(evaluation.checkpoint.format)},
                       {"network", evaluation.network},
                       {"execution", to_string(evaluation.execution)},
                       {"requantization", nullptr},
                       {"global_step", nullptr}};
  if (evaluation.execution == Execution::kInteger) {
    json["requantization"] = to_text(evaluation.arithmetic);
  }
  if (has_labels) {
    json["accuracy"] = hit_rate_json(evaluation.accuracy);
    json["recall_at_5"] = hit_rate_json(evaluation.recall_at_5);
    json["loss"] = json_number(evaluation.mean_loss);
  }
  if (evaluation.global_step) json["global_step"] = *evaluation.global_step;
  if (evaluation.quantized_part_is_not_evaluated) json["quantized_part_is_not_evaluated"] = true;
  if (with_confusion) json["confusion"] = evaluation.confusion(classes);
  return json;
}

// What labels tell, and how the networks differ in it from the first.
void add_scores(const EvaluateResult& result, std::size_t i, std::vector<TableCell>& row) {
  const Evaluation& evaluation = result.evaluations[i];
  const std::size_t end = row.size() + kScoreColumns;
  row.insert(row.end(), {evaluation.accuracy.value(), evaluation.accuracy.interval.low,
                         evaluation.accuracy.interval.high, evaluation.recall_at_5.value(),
                         evaluation.mean_loss, result.images});
  if (i > 0) {
    const PairedComparison& comparison = result.comparisons.at(i - 1);
    row.insert(row.end(), {comparison.difference, comparison.difference_interval.low,
                           comparison.difference_interval.high, comparison.mcnemar_p});
  }
  row.resize(end);
}

Table evaluation_table(const EvaluateResult& result) {
  using enum CellStyle;
  constexpr auto kPrograms = TableColumn::Audience::kPrograms;
  Table table{
      "checkpoints", "Checkpoints", {{"checkpoint", "checkpoint"}, {"network", "network"}}, {}};
  if (result.has_labels) {
    table.columns.insert(table.columns.end(),
                         {{"accuracy", "accuracy", kRate},
                          {"accuracy_low", "95 % from", kRate},
                          {"accuracy_high", "to", kRate},
                          {"recall_at_5", "recall@5", kRate},
                          {"loss", "loss", kShort},
                          {"images", "images", kInteger, kPrograms},
                          {"accuracy_difference", "points to the first", kDelta},
                          {"difference_low", "95 % from", kDelta},
                          {"difference_high", "to", kDelta},
                          {"mcnemar_p", "McNemar's p", kShort}});
  }
  if (!result.outputs.empty()) {
    if (result.has_classes) table.columns.push_back({"agreement", "agrees", kRate});
    table.columns.push_back({"sqnr_db", "SQNR, dB", kShort});
    table.columns.push_back({"cosine", "cosine", kShort});
    if (result.has_classes) table.columns.push_back({"mean_kl", "mean KL", kShort});
  }
  for (std::size_t i = 0; i < result.evaluations.size(); ++i) {
    const Evaluation& evaluation = result.evaluations[i];
    std::vector<TableCell> row = {evaluation.checkpoint.path.string(), evaluation.network};
    if (result.has_labels) add_scores(result, i, row);
    if (i > 0 && !result.outputs.empty()) {
      const LogitsComparison& outputs = result.outputs.at(i - 1);
      if (result.has_classes) row.emplace_back(outputs.agreement);
      row.insert(row.end(), {outputs.sqnr_db, outputs.cosine});
      if (result.has_classes) row.emplace_back(outputs.mean_kl);
    }
    row.resize(table.columns.size());
    table.add_row(std::move(row));
  }
  return table;
}

}  // namespace

ordered_json hit_rate_json(const HitRate& rate) {
  return {{"value", rate.value()},
          {"hits", rate.hits},
          {"images", rate.images},
          {"wilson_95", {rate.interval.low, rate.interval.high}}};
}

std::string format_slim_number(float value) {
  const std::string digits = fmt::format("{:.6g}", value);
  if (std::strtof(digits.c_str(), nullptr) == value) return digits;
  return fmt::format("{:.9g}", value);
}

std::string evaluation_text(const EvaluateResult& result) {
  std::string text = dataset_text(result);
  for (std::size_t i = 0; i < result.evaluations.size(); ++i) {
    const Evaluation& evaluation = result.evaluations[i];
    text += fmt::format("\n{}: {}, {}\n", evaluation.checkpoint.path.string(), evaluation.network,
                        step_text(evaluation));
    if (i > 0 && !result.outputs.empty())
      text += outputs_text(result.outputs.at(i - 1), result.has_classes);
    if (!result.has_labels) continue;
    text += fmt::format("accuracy  {}\n", hit_rate_text(evaluation.accuracy));
    text += fmt::format("recall@5  {}\n", hit_rate_text(evaluation.recall_at_5));
    text += fmt::format("loss      {}\n", format_short(evaluation.mean_loss));
    if (i > 0) text += comparison_text(result.comparisons.at(i - 1), result.images);
    text += fmt::format("eval/Accuracy[{}]\neval/Recall_5[{}]\n",
                        format_slim_number(evaluation.accuracy.slim_value()),
                        format_slim_number(evaluation.recall_at_5.slim_value()));
  }
  text += fmt::format("\n{:.1f} images/s", result.images_per_second());
  if (result.evaluations.size() > 1) {
    text += fmt::format(" through all {} networks", result.evaluations.size());
  }
  return text + fmt::format(" ({:.1f} s, and {:.1f} s to prepare)\n", result.seconds,
                            result.preparation_seconds);
}

std::string confusion_text(const EvaluateResult& result) {
  std::string text;
  for (const Evaluation& evaluation : result.evaluations) {
    text +=
        fmt::format("\n{}: labels down, predictions across\n", evaluation.checkpoint.path.string());
    std::vector<TextTable::Column> columns = {{"label", Align::kLeft}};
    for (std::size_t i = 0; i < result.classes.size(); ++i) {
      columns.push_back({fmt::format("{}", i)});
    }
    TextTable table(columns);
    const auto counts = evaluation.confusion(result.classes.size());
    for (std::size_t label = 0; label < counts.size(); ++label) {
      std::vector<std::string> row = {fmt::format("{} {}", label, result.classes[label])};
      for (const std::uint64_t count : counts[label]) row.push_back(fmt::format("{}", count));
      table.add_row(std::move(row));
    }
    text += table.text();
  }
  return text;
}

ordered_json evaluation_json(const EvaluateResult& result, bool with_confusion) {
  ordered_json checkpoints = ordered_json::array();
  for (const Evaluation& evaluation : result.evaluations) {
    checkpoints.push_back(
        checkpoint_json(evaluation, result.has_labels, result.classes.size(), with_confusion));
  }
  ordered_json comparisons = ordered_json::array();
  for (const PairedComparison& comparison : result.comparisons) {
    if (!result.has_labels) break;
    comparisons.push_back(
        {{"only_first_correct", comparison.only_first_correct},
         {"only_other_correct", comparison.only_other_correct},
         {"same_argmax", comparison.same_argmax},
         {"mcnemar_exact_p", comparison.mcnemar_p},
         {"accuracy_difference", comparison.difference},
         {"bonett_price_95",
          {comparison.difference_interval.low, comparison.difference_interval.high}}});
  }
  ordered_json preprocessing = {{"name", result.preprocessing},
                                {"image_size", result.image_size},
                                {"resize_side", result.resize_side}};
  if (!result.changes.empty()) preprocessing["changes"] = result.changes;
  ordered_json json = {{"schema", 1},
                       {"dataset",
                        {{"name", result.dataset_name},
                         {"split", result.split_name},
                         {"path", result.records.string()},
                         {"records", result.records_in_file},
                         {"classes", result.classes}}},
                       {"images", result.images},
                       {"preprocessing", std::move(preprocessing)},
                       {"checkpoints", std::move(checkpoints)},
                       {"comparisons", std::move(comparisons)},
                       {"preparation_seconds", result.preparation_seconds},
                       {"seconds", result.seconds},
                       {"images_per_second", result.images_per_second()}};
  for (const LogitsComparison& outputs : result.outputs) {
    json["outputs"].push_back(outputs_json(outputs));
  }
  return json;
}

Report evaluation_report(const EvaluateResult& result, bool with_confusion) {
  Report report;
  report.title = fmt::format("Evaluation on {} {}", result.dataset_name, result.split_name);
  report.json = evaluation_json(result, with_confusion);
  report.facts = {
      {"records", result.records.string()},
      {"images", fmt::format("{} of {}", result.images, result.records_in_file)},
      {"preprocessing", has_arrays(result) ? result.preprocessing
                                           : fmt::format("{} to {} x {}", result.preprocessing,
                                                         result.image_size, result.image_size)},
      {"images/s", fmt::format("{:.1f}", result.images_per_second())}};
  report.tables.push_back(evaluation_table(result));
  return report;
}

std::string predictions_csv(const EvaluateResult& result) {
  std::string text = "checkpoint,record,label,label_probability";
  for (std::size_t i = 1; i <= kRankedClasses; ++i) text += fmt::format(",class_{}", i);
  for (std::size_t i = 1; i <= kRankedClasses; ++i) text += fmt::format(",probability_{}", i);
  text += '\n';
  for (const Evaluation& evaluation : result.evaluations) {
    const std::string path = csv_field(evaluation.checkpoint.path.string());
    for (const Prediction& prediction : evaluation.predictions) {
      text += fmt::format("{},{},{},{}", path, prediction.record, prediction.label,
                          prediction.label_probability);
      const auto ranked = static_cast<std::size_t>(prediction.ranked);
      for (std::size_t i = 0; i < kRankedClasses; ++i) {
        text += i < ranked ? fmt::format(",{}", prediction.classes[i]) : ",";
      }
      for (std::size_t i = 0; i < kRankedClasses; ++i) {
        text += i < ranked ? fmt::format(",{}", prediction.probabilities[i]) : ",";
      }
      text += '\n';
    }
  }
  return text;
}

}  // namespace narrow
