#include "report/sweep/sweep_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/join_some.h"
#include "report/channel_axis.h"
#include "report/copied_report.h"
#include "report/format_report.h"
#include "report/sweep/sweep_page.h"
#include "report/table/numbers.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

constexpr std::uint64_t kFloatBits = 32;
constexpr std::size_t kActivationsColumn = 6;  // and their range after it

bool has_arrays(const SweepEvaluation& evaluation) {
  return evaluation.images.preprocessing == "none";
}

// What labels tell, and how the outputs compare with those of the float network.
std::vector<TableColumn> score_columns(const SweepEvaluation& evaluation) {
  using enum CellStyle;
  constexpr auto kPrograms = TableColumn::Audience::kPrograms;
  std::vector<TableColumn> columns;
  if (evaluation.images.has_labels) {
    columns = {{"accuracy", "top-1", kRate},
               {"accuracy_low", "from", kRate, kPrograms},
               {"accuracy_high", "to", kRate, kPrograms},
               {"recall_at_5", "recall@5", kRate},
               {"loss", "loss", kShort, kPrograms}};
  }
  if (evaluation.images.has_classes) {
    columns.insert(columns.end(), {{"agreement", "agrees", kRate}, {"mean_kl", "mean KL", kShort}});
  }
  if (has_arrays(evaluation)) {
    columns.insert(columns.end(), {{"output_sqnr_db", "outputs dB", kDecibel},
                                   {"output_cosine", "cosine", kShort}});
  }
  if (evaluation.images.has_labels) {
    columns.insert(columns.end(), {{"accuracy_difference", "points", kDelta},
                                   {"difference_low", "95 % from", kDelta},
                                   {"difference_high", "to", kDelta},
                                   {"mcnemar_p", "p", kSignificance},
                                   {"only_float_correct", "lost", kInteger, kPrograms},
                                   {"only_quantized_correct", "won", kInteger, kPrograms}});
  }
  return columns;
}

// The cells of these columns; what compares with the float network has no value for that one.
void append_score(const SweepEvaluation& evaluation, const NetworkScore& score, bool is_float,
                  std::vector<TableCell>& row) {
  const std::size_t end = row.size() + score_columns(evaluation).size();
  const bool has_labels = evaluation.images.has_labels;
  if (has_labels) {
    row.insert(row.end(),
               {score.accuracy.value(), score.accuracy.interval.low, score.accuracy.interval.high,
                score.recall_at_5.value(), score.mean_loss});
  }
  if (!is_float) {
    if (evaluation.images.has_classes) row.insert(row.end(), {score.agreement, score.mean_kl});
    if (has_arrays(evaluation)) row.insert(row.end(), {score.sqnr_db, score.cosine});
    const PairedComparison& paired = score.comparison;
    if (has_labels) {
      row.insert(row.end(), {paired.difference, paired.difference_interval.low,
                             paired.difference_interval.high, paired.mcnemar_p,
                             paired.only_first_correct, paired.only_other_correct});
    }
  }
  row.resize(end);
}

std::vector<TableCell> float_row(const SweepOutcome& outcome) {
  const SchemeSummary summary = outcome.errors.summary(0);
  const auto elements = static_cast<double>(summary.elements);
  const double bits = 8 * static_cast<double>(summary.input_bytes);
  std::vector<TableCell> row = {std::string("float"),
                                std::string("float"),
                                {},
                                {},
                                {},
                                kFloatBits,
                                {},
                                {},
                                summary.input_bytes,
                                elements == 0 ? 0 : bits / elements,
                                1.0};
  append_score(*outcome.evaluation, outcome.evaluation->float_network, true, row);
  return row;
}

std::vector<TableCell> scheme_row(const SweepOutcome& outcome, const OverflowColumns& overflow,
                                  const SweepRow& place, std::size_t network) {
  const Scheme& scheme = outcome.errors.schemes[place.scheme];
  const SchemeSummary summary = outcome.errors.summary(place.scheme);
  const ErrorSummary& errors = summary.errors;
  std::vector<TableCell> row = {series_name(scheme),
                                std::string(to_string(scheme.kind)),
                                {},
                                to_string(scheme.granularity),
                                to_string(scheme.range),
                                static_cast<std::uint64_t>(scheme.bits),
                                {},
                                {},
                                summary.bytes(),
                                summary.bits_per_weight(),
                                summary.ratio()};
  if (scheme.kind == SchemeKind::kFixedPoint) {
    row[2] = std::string(scheme.scaling == Scaling::kDecimal ? "decimal" : "binary");
  }
  if (place.activations) {
    row[kActivationsColumn] = to_string(*place.activations);
    row[kActivationsColumn + 1] = range_text(*place.activations);
  }
  if (outcome.evaluation) {
    append_score(*outcome.evaluation, outcome.evaluation->networks.at(network), false, row);
  }
  row.insert(row.end(), {errors.min_relative_l2, errors.mean_relative_l2, errors.max_relative_l2,
                         errors.pooled.relative_l2(), errors.pooled.sqnr_db()});
  overflow.add_to(row, &scheme, errors.pooled.overflowed);
  row.emplace_back(to_text(scheme.format, scheme.bits));
  return row;
}

// Tensors that were to be measured and have values that cannot be are among them.
CopyCounts copied_of(const SweepOutcome& outcome) {
  CopyCounts counts = outcome.copied;
  for (const TensorSweep& tensor : outcome.errors.tensors) {
    if (tensor.non_finite > 0) ++counts[CopyReason::kNonFinite];
  }
  return counts;
}

// Tensors with values that cannot be measured.
std::string left_out_text(const SweepOutcome& outcome) {
  constexpr std::size_t kMostNames = 3;
  std::vector<std::string> names;
  std::uint64_t values = 0;
  for (const TensorSweep& tensor : outcome.errors.tensors) {
    if (tensor.non_finite == 0) continue;
    names.push_back(tensor.info.name);
    values += tensor.non_finite;
  }
  if (names.empty()) return "";
  if (names.size() == 1) {
    return fmt::format("left out: {} has {} NaN or infinite values\n", names.front(), values);
  }
  return fmt::format("left out: {} tensors have {} NaN or infinite values: {}\n", names.size(),
                     values, list_some(names, kMostNames));
}

std::string subject_text(const SweepOutcome& outcome) {
  const SweepResult& errors = outcome.errors;
  const SchemeSummary summary = errors.summary(0);
  return fmt::format(
             "{} tensors of {} ({}; {}), {} others ({})\nleft as they are and not counted. Sizes "
             "hold codes and parameters.\n",
             summary.errors.quantized, outcome.checkpoint.path.string(), outcome.selection,
             format_short_bytes(static_cast<double>(summary.input_bytes)), errors.copied,
             format_short_bytes(static_cast<double>(errors.copied_bytes))) +
         copied_text(copied_of(outcome), "left as they are");
}

std::string changes_text(const EvaluatedImages& images) {
  return images.changes.empty() ? "" : fmt::format(" ({})", images.changes);
}

std::string network_text(const SweepEvaluation& evaluation) {
  const EvaluatedImages& images = evaluation.images;
  constexpr const char* kPoints =
      "points: top-1 less that of\n"
      "float, in percent points, with its 95 % interval; p: McNemar's exact test on the same "
      "images.\n";
  if (has_arrays(evaluation)) {
    return fmt::format(
        "{} on {} of {} examples of {}. {}outputs dB (SQNR) and cosine: the outputs "
        "against\nthose of the float network. {}",
        evaluation.network, images.images, images.records_in_file, images.dataset_name,
        images.has_classes ? "agrees, KL, " : "",
        images.has_labels ? kPoints : "No labels, so no accuracy.\n");
  }
  return fmt::format("{} on {} of {} images of {} {}, {} preprocessing to {} x {}{}. {}",
                     evaluation.network, images.images, images.records_in_file, images.dataset_name,
                     images.split_name, images.preprocessing, images.image_size, images.image_size,
                     changes_text(images), kPoints);
}

std::string evaluation_text(const SweepEvaluation& evaluation) {
  std::string text = network_text(evaluation);
  if (evaluation.images_from_journal > 0) {
    text += fmt::format("{} results of images came from the journal of an earlier run\n",
                        evaluation.images_from_journal);
  }
  return text + fmt::format("{:.1f} s for the images in {} pass{}\n", evaluation.seconds,
                            evaluation.passes, evaluation.passes == 1 ? "" : "es");
}

ordered_json evaluation_json(const SweepEvaluation& evaluation) {
  const EvaluatedImages& images = evaluation.images;
  ordered_json json = {{"network", evaluation.network},   {"dataset", images.dataset_name},
                       {"split", images.split_name},      {"records", images.records.string()},
                       {"images", images.images},         {"preprocessing", images.preprocessing},
                       {"image_size", images.image_size}, {"resize_side", images.resize_side}};
  if (!images.changes.empty()) json["changes"] = images.changes;
  if (!images.has_labels) json["has_labels"] = false;
  return json;
}

std::vector<std::pair<std::string, std::string>> facts_of(const SweepOutcome& outcome) {
  const SchemeSummary summary = outcome.errors.summary(0);
  std::vector<std::pair<std::string, std::string>> facts = {
      {"checkpoint", outcome.checkpoint.path.string()},
      {"tensors",
       fmt::format("{} quantized ({}; {} numbers, {}), {} unchanged ({})", summary.errors.quantized,
                   outcome.selection, summary.elements, format_bytes(summary.input_bytes),
                   outcome.errors.copied, format_bytes(outcome.errors.copied_bytes))}};
  if (outcome.evaluation) {
    const EvaluatedImages& images = outcome.evaluation->images;
    facts.emplace_back(
        "images", has_arrays(*outcome.evaluation)
                      ? fmt::format("{} of {}", images.images, images.dataset_name)
                      : fmt::format("{} of {} {}, {} preprocessing to {} x {}{}", images.images,
                                    images.dataset_name, images.split_name, images.preprocessing,
                                    images.image_size, images.image_size, changes_text(images)));
  }
  facts.emplace_back("command", outcome.command);
  return facts;
}

}  // namespace

Table sweep_table(const SweepOutcome& outcome) {
  using enum CellStyle;
  constexpr auto kPeople = TableColumn::Audience::kPeople;
  constexpr auto kPrograms = TableColumn::Audience::kPrograms;
  // Where there are none, programs have the columns nonetheless.
  const auto seen = has_activations(outcome) ? TableColumn::Audience::kAll : kPrograms;
  Table table{"rows",
              "Schemes and widths",
              {{"series", "scheme", kText, kPeople},
               {"scheme", "scheme", kText, kPrograms},
               {"scaling", "scaling", kText, kPrograms},
               {"granularity", "granularity", kText, kPrograms},
               {"range", "range", kText, kPrograms},
               {"bits", "bits", kInteger},
               {"activations", "activations", kText, seen},
               {"activation_range", "their range", kText, seen},
               {"bytes", "size", kBytes},
               {"bits_per_weight", "bits/weight", kFixed2},
               {"ratio", "ratio", kFixed2}},
              {}};
  auto& columns = table.columns;
  if (outcome.evaluation) {
    const std::vector<TableColumn> scores = score_columns(*outcome.evaluation);
    columns.insert(columns.end(), scores.begin(), scores.end());
  }
  columns.insert(columns.end(), {{"relative_l2_min", "error: min", kPercent},
                                 {"relative_l2_mean", "average", kPercent},
                                 {"relative_l2_max", "max", kPercent},
                                 {"relative_l2_pooled", "pooled", kPercent},
                                 {"sqnr_db", "SQNR dB", kDecibel}});
  OverflowColumns overflow;
  for (const Scheme& scheme : outcome.errors.schemes) overflow.expect(scheme);
  overflow.add_to(table);
  if (std::ranges::any_of(outcome.errors.schemes, has_format)) {
    table.columns.push_back({"format", "format", kText, kPrograms});
  }
  const auto add = [&](std::vector<TableCell> row) {
    row.resize(table.columns.size());
    table.add_row(std::move(row));
  };
  if (outcome.evaluation) add(float_row(outcome));
  const std::vector<SweepRow> rows = rows_of(outcome);
  for (std::size_t i = 0; i < rows.size(); ++i) add(scheme_row(outcome, overflow, rows[i], i));
  return table;
}

Table sweep_tensor_table(const SweepOutcome& outcome) {
  using enum CellStyle;
  Table table{"tensors",
              "Tensors",
              {{"name", "tensor"},
               {"shape", "shape"},
               {"series", "scheme"},
               {"bits", "bits", kInteger},
               {"stored_bits", "stored bits", kInteger},
               {"blocks", "blocks", kInteger},
               axis_column(true),
               {"relative_l2", "relative error", kPercent},
               {"sqnr_db", "SQNR dB", kDecibel},
               {"max_abs_error", "largest |d|", kShort}},
              {}};
  OverflowColumns overflow;
  for (const Scheme& scheme : outcome.errors.schemes) overflow.expect(scheme);
  overflow.add_to(table);
  for (const TensorSweep& tensor : outcome.errors.tensors) {
    for (std::size_t i = 0; i < tensor.costs.size(); ++i) {
      const SchemeCost& cost = tensor.costs[i];
      const Scheme& scheme = outcome.errors.schemes[i];
      std::vector<TableCell> row = {
          tensor.info.name,
          to_string(tensor.info.shape),
          series_name(scheme),
          static_cast<std::uint64_t>(scheme.bits),
          cost.bits(),
          cost.blocks,
          axis_cell(scheme.granularity.kind == Granularity::Kind::kChannel ? tensor.channel_axes
                                                                           : std::nullopt),
          cost.errors.relative_l2(),
          cost.errors.sqnr_db(),
          cost.errors.max_abs_d};
      overflow.add_to(row, &scheme, cost.errors.overflowed);
      table.add_row(std::move(row));
    }
  }
  return table;
}

std::string sweep_text(const SweepOutcome& outcome) {
  std::string text = table_text(sweep_table(outcome)) + "\n" + subject_text(outcome);
  text += left_out_text(outcome);
  if (outcome.evaluation) text += evaluation_text(*outcome.evaluation);
  return text + fmt::format("{:.2f} s for the errors\n", outcome.errors.seconds);
}

Report sweep_report(const SweepOutcome& outcome) {
  Report report;
  report.title =
      fmt::format("What every bit costs: {}", outcome.checkpoint.path.filename().string());
  report.facts = facts_of(outcome);
  const SchemeSummary summary = outcome.errors.summary(0);
  report.json = {{"schema", 1},
                 {"checkpoint", outcome.checkpoint.path.string()},
                 {"format", to_string(outcome.checkpoint.format)},
                 {"selection", outcome.selection},
                 {"input_bytes", summary.input_bytes},
                 {"elements", summary.elements},
                 {"copied", outcome.errors.copied},
                 {"copied_by_reason", copied_json(copied_of(outcome))},
                 {"copied_bytes", outcome.errors.copied_bytes}};
  if (outcome.evaluation) report.json["evaluation"] = evaluation_json(*outcome.evaluation);
  report.tables.push_back(sweep_table(outcome));
  report.json["rows"] = table_json(report.tables.front());
  report.json["tensors"] = table_json(sweep_tensor_table(outcome));
  report.json["seconds"] =
      outcome.errors.seconds + (outcome.evaluation ? outcome.evaluation->seconds : 0);
  report.html = sweep_page(outcome, report);
  return report;
}

}  // namespace narrow
