#include "report/example_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/html/html_page.h"
#include "report/html/svg_plot.h"
#include "report/table/numbers.h"

namespace narrow {
namespace {

constexpr double kPointsPerRate = 100;

std::string interval_text(const PairedComparison& comparison) {
  return fmt::format("{:+.2f} to {:+.2f}", kPointsPerRate * comparison.difference_interval.low,
                     kPointsPerRate * comparison.difference_interval.high);
}

bool is_float(const ExampleRow& row) { return !row.against_float.has_value(); }

// The rows of one scheme by ascending width.
std::vector<const ExampleRow*> rows_of(const ExampleResult& result, std::string_view scheme) {
  std::vector<const ExampleRow*> rows;
  for (const ExampleRow& row : result.rows) {
    if (row.scheme == scheme) rows.push_back(&row);
  }
  std::ranges::sort(rows, {}, [](const ExampleRow* row) { return row->bits; });
  return rows;
}

const std::vector<std::string>& schemes() {
  static const std::vector<std::string> kNames = {"bin", "fixed-point"};
  return kNames;
}

std::string accuracy_plot(const ExampleResult& result) {
  Plot plot;
  plot.description = "Top-1 accuracy over bits, one curve for each scheme, float as a line across";
  plot.x = {.title = "bits", .whole_numbers = true};
  plot.y = {.title = "top-1 accuracy", .format = TickFormat::kPercent};
  for (const std::string& scheme : schemes()) {
    PlotSeries series;
    series.name = scheme;
    for (const ExampleRow* row : rows_of(result, scheme)) {
      series.points.push_back(
          {.x = static_cast<double>(row->bits),
           .y = row->accuracy.value(),
           .range = std::pair(row->accuracy.interval.low, row->accuracy.interval.high),
           .hover = fmt::format("{} {} bits: {:.2f} %", scheme, row->bits,
                                kPointsPerRate * row->accuracy.value())});
    }
    plot.series.push_back(std::move(series));
  }
  plot.references.push_back({"float", result.rows.front().accuracy.value()});
  return plot_svg(plot);
}

std::string error_plot(const ExampleResult& result) {
  Plot plot;
  plot.description = "Average relative error over bits, from the least to the greatest";
  plot.x = {.title = "bits", .whole_numbers = true};
  plot.y = {.title = "relative error", .is_log = true, .format = TickFormat::kPercent};
  for (const std::string& scheme : schemes()) {
    PlotSeries series;
    series.name = scheme;
    for (const ExampleRow* row : rows_of(result, scheme)) {
      series.points.push_back({.x = static_cast<double>(row->bits),
                               .y = row->mean_relative_l2,
                               .hover = fmt::format("{} {} bits: {}", scheme, row->bits,
                                                    format_ratio(row->mean_relative_l2))});
    }
    plot.series.push_back(std::move(series));
  }
  return plot_svg(plot);
}

// The narrowest row whose accuracy is within `points` of float, if there is one.
const ExampleRow* narrowest_within(const ExampleResult& result, double points) {
  const ExampleRow* best = nullptr;
  for (const ExampleRow& row : result.rows) {
    if (is_float(row) || row.against_float->difference < -points / kPointsPerRate) continue;
    if (best == nullptr || row.bits < best->bits) best = &row;
  }
  return best;
}

std::vector<HtmlTile> tiles(const ExampleResult& result) {
  const ExampleRow& original = result.rows.front();
  std::vector<HtmlTile> tiles = {
      {fmt::format("{:.2f} %", kPointsPerRate * original.accuracy.value()),
       fmt::format("top-1 of the float network on {} test images", result.test_images)}};
  if (const ExampleRow* row = narrowest_within(result, 1)) {
    tiles.push_back({fmt::format("{} bits", row->bits),
                     fmt::format("the narrowest within 1 point of float ({})", row->scheme)});
    const auto before = static_cast<double>(original.stored_bytes);
    const auto after = static_cast<double>(row->stored_bytes);
    tiles.push_back({fmt::format("{:.1f} x", std::max(before, after) / std::min(before, after)),
                     after > before ? "larger than float32 at that width"
                                    : "smaller than float32 at that width"});
  }
  return tiles;
}

}  // namespace

Table example_table(const ExampleResult& result) {
  Table table;
  table.name = "rows";
  table.title = "What every bit costs";
  table.columns = {{"method", "scheme"},
                   {"bits", "bits", CellStyle::kInteger},
                   {"stored_bytes", "MB", CellStyle::kFixed2, TableColumn::Audience::kPeople},
                   {"stored_bytes", "", CellStyle::kInteger, TableColumn::Audience::kPrograms},
                   {"relative_l2_min", "least error", CellStyle::kPercent},
                   {"relative_l2_mean", "average", CellStyle::kPercent},
                   {"relative_l2_max", "largest", CellStyle::kPercent},
                   {"accuracy", "top-1", CellStyle::kRate},
                   {"recall_at_5", "recall@5", CellStyle::kRate},
                   {"difference", "points", CellStyle::kDelta},
                   {"difference_interval_95", "95 % interval"},
                   {"checkpoint", "", CellStyle::kText, TableColumn::Audience::kPrograms}};
  for (const ExampleRow& row : result.rows) {
    const auto error = [&](double value) { return is_float(row) ? TableCell() : TableCell(value); };
    table.add_row({row.scheme, static_cast<std::uint64_t>(row.bits),
                   static_cast<double>(row.stored_bytes) / 1e6, row.stored_bytes,
                   error(row.min_relative_l2), error(row.mean_relative_l2),
                   error(row.max_relative_l2), row.accuracy.value(), row.recall_at_5.value(),
                   is_float(row) ? TableCell() : TableCell(row.against_float->difference),
                   is_float(row) ? TableCell() : TableCell(interval_text(*row.against_float)),
                   row.checkpoint.path.string()});
  }
  return table;
}

std::string example_html(const ExampleResult& result, const std::vector<std::string>& commands,
                         std::string_view version) {
  const ExampleOptions& options = result.options;
  HtmlPage page("What every bit costs",
                fmt::format("{} on {}, {} x {} pixels, {} steps of {} images, seed {}",
                            options.model_name, options.dataset_name, options.image_size,
                            options.image_size, options.steps, options.batch_size, options.seed));
  page.add_tiles(tiles(result));
  page.add_section("Every width and scheme",
                   "Every trainable variable is quantized with one range and restored. Errors are "
                   "L2 norms of the difference over those of the original, over the variables. "
                   "Points are differences in top-1 accuracy to float on the same images, with "
                   "their 95 % interval (Bonett and Price).",
                   html_table(example_table(result)));
  page.add_section("Accuracy and error", "Whiskers are 95 % Wilson intervals.",
                   html_grid({html_figure("Top-1 accuracy", accuracy_plot(result)),
                              html_figure("Average relative error", error_plot(result))}));
  std::string list;
  for (const std::string& command : commands) list += html_command(command);
  page.add_section("The same, step by step", "Each command does one step alone.", list);
  return page.text(fmt::format("narrow {}", version));
}

}  // namespace narrow
