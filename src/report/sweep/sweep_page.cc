#include "report/sweep/sweep_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "report/html/heat_map.h"
#include "report/html/html_page.h"
#include "report/html/svg_histogram.h"
#include "report/html/svg_plot.h"
#include "report/table/numbers.h"

namespace narrow {
namespace {

// What the large letters at the top ask for.
constexpr double kSmallError = 0.01;
constexpr double kSmallLoss = 0.01;
constexpr double kKilobyte = 1e3;
constexpr double kMegabyte = 1e6;

class SweepPage {
 public:
  explicit SweepPage(const SweepOutcome& outcome)
      : outcome_(outcome),
        schemes_(series_of(outcome.errors.schemes)),
        rows_(rows_of(outcome)),
        series_(series_of_rows(outcome)) {
    for (SweepSeries& series : schemes_) {
      for (std::size_t& place : series.places)
        place *= rows_.size() / outcome.errors.schemes.size();
    }
    for (const SweepRow& row : rows_) {
      summaries_.push_back(outcome.errors.summary(row.scheme));
      if (static_cast<double>(summaries_.back().bytes()) >= kMegabyte) size_unit_ = kMegabyte;
    }
  }

  std::string text(const Report& report) {
    HtmlPage page(report.title,
                  "Every weight of the network stored in fewer bits: how small it gets, how far "
                  "its numbers move, and what that does to its answers.");
    page.add_tiles(tiles());
    if (outcome_.evaluation && !has_accuracy()) {
      page.add_section("Answers", "What the network answers, against what it answered before.",
                       html_grid(answers_by_bits()));
    } else if (outcome_.evaluation) {
      page.add_section("Accuracy",
                       "Whiskers: where the accuracy on all images like these lies with 95 % "
                       "confidence. The dashed line is the network as it was.",
                       html_grid({accuracy_by_bits(), accuracy_by_size(), divergence_by_bits(),
                                  agreement_by_bits()}));
    }
    page.add_section("Error of the weights",
                     "Relative error: the length of the change divided by the length of the "
                     "weights. Each bit more should halve it. Bands reach from the best to the "
                     "worst tensor.",
                     html_grid({error_by_bits(), error_by_size()}));
    page.add_section("All results", "A click on a title sorts.", html_table(report.tables.front()));
    if (!outcome_.histograms.empty()) {
      page.add_section("Values before and after",
                       "The original values upwards, the few that are left of them downwards.",
                       html_grid(histograms()));
    }
    for (const SweepSeries& series : schemes_) {
      page.add_section(fmt::format("Layer by layer: {}", series.name),
                       "Relative error in percent of every tensor at every width, in the order of "
                       "the file. Red rows need more bits than the rest.",
                       heat_map_html(heat_map(series)));
    }
    page.add_facts(report.facts);
    return page.text(
        "Made by narrow. relative error = \xE2\x80\x96restored - original\xE2\x80\x96 / "
        "\xE2\x80\x96original\xE2\x80\x96; sizes hold codes and their parameters.");
  }

 private:
  [[nodiscard]] bool has_accuracy() const {
    return outcome_.evaluation && outcome_.evaluation->images.has_labels;
  }

  [[nodiscard]] const Scheme& scheme_of(std::size_t row) const {
    return outcome_.errors.schemes[rows_[row].scheme];
  }
  [[nodiscard]] int bits(std::size_t row) const { return scheme_of(row).bits; }

  [[nodiscard]] double pooled(std::size_t row) const {
    return summaries_[row].errors.pooled.relative_l2();
  }

  // On the axis of sizes.
  [[nodiscard]] double size(std::size_t row) const {
    return static_cast<double>(summaries_[row].bytes()) / size_unit_;
  }

  [[nodiscard]] std::string size_text(std::size_t row) const {
    return format_short_bytes(static_cast<double>(summaries_[row].bytes()));
  }

  [[nodiscard]] const NetworkScore& score(std::size_t row) const {
    return outcome_.evaluation->networks.at(row);
  }

  [[nodiscard]] std::string name(std::size_t row) const {
    return fmt::format("{}, {} bit{}", series_name(scheme_of(row)), bits(row),
                       bits(row) == 1 ? "" : "s");
  }
  // With what only answers depend on.
  [[nodiscard]] std::string answer_name(std::size_t row) const {
    const auto& activations = rows_[row].activations;
    return name(row) + (activations ? "; activations " + activations_name(activations) : "");
  }

  // The fewest bits of a series from which on all widths are good enough.
  template <typename IsGood>
  [[nodiscard]] std::optional<std::size_t> fewest(const SweepSeries& series,
                                                  const IsGood& is_good) const {
    const auto first = series.places.rbegin();
    const auto bad = std::find_if_not(first, series.places.rend(), is_good);
    if (bad == first) return std::nullopt;
    return *std::prev(bad);
  }

  std::vector<HtmlTile> tiles() {
    std::vector<HtmlTile> tiles;
    if (has_accuracy()) {
      const HitRate& rate = outcome_.evaluation->float_network.accuracy;
      tiles.push_back(
          {fmt::format("{:.2f} %", 100 * rate.value()),
           fmt::format("top-1 accuracy of the float network on {} images", rate.images)});
    } else {
      const SchemeSummary& any = summaries_.front();
      tiles.push_back({format_short_bytes(static_cast<double>(any.input_bytes)),
                       fmt::format("{:.4g} million weights in {} tensors before",
                                   static_cast<double>(any.elements) / 1e6, any.errors.quantized)});
    }
    for (std::size_t i = 0; i < std::min<std::size_t>(series_.size(), 4); ++i) {
      tiles.push_back(tile(series_[i]));
    }
    return tiles;
  }

  HtmlTile tile(const SweepSeries& series) const {
    const bool by_accuracy = has_accuracy();
    const auto found = fewest(series, [&](std::size_t row) {
      return by_accuracy ? score(row).comparison.difference >= -kSmallLoss
                         : pooled(row) <= kSmallError;
    });
    const std::string goal = by_accuracy ? "within 1 point of float" : "below 1 % relative error";
    if (!found) {
      return {"none", fmt::format("{}: no width is {}", series.name, goal)};
    }
    return {
        fmt::format("{} bit{}", bits(*found), bits(*found) == 1 ? "" : "s"),
        fmt::format("{}: fewest {}, {}, {} before", series.name, goal, size_text(*found),
                    format_size_ratio(summaries_[*found].bytes(), summaries_[*found].input_bytes))};
  }

  // A curve for each series; `point(row)` gives its points.
  template <typename MakePoint>
  Plot plot(const std::vector<SweepSeries>& all, const std::string& description, PlotAxis x,
            PlotAxis y, const MakePoint& point, bool has_band = false) const {
    Plot plot;
    plot.description = description;
    plot.x = std::move(x);
    plot.y = std::move(y);
    for (const SweepSeries& series : all) {
      PlotSeries& curve = plot.series.emplace_back();
      curve.name = series.name;
      curve.has_band = has_band;
      for (const std::size_t row : series.places) curve.points.push_back(point(row));
    }
    return plot;
  }

  static PlotAxis bits_axis() { return {"bits of a weight", false, true}; }
  [[nodiscard]] PlotAxis size_axis() const { return {size_unit_ == kMegabyte ? "MB" : "kB"}; }
  static PlotAxis error_axis() { return {"relative error", true, false, TickFormat::kPercent}; }

  std::string error_by_bits() const {
    return html_figure(
        "Relative error by width",
        plot_svg(plot(
            schemes_, "Relative error falls with the number of bits", bits_axis(), error_axis(),
            [&](std::size_t row) {
              const ErrorSummary& errors = summaries_[row].errors;
              return PlotPoint{
                  static_cast<double>(bits(row)), pooled(row),
                  std::pair(errors.min_relative_l2 > 0 ? errors.min_relative_l2 : pooled(row),
                            errors.max_relative_l2),
                  fmt::format("{}: {} pooled", name(row), format_ratio(pooled(row)))};
            },
            true)));
  }

  std::string error_by_size() const {
    return html_figure("Relative error by size",
                       plot_svg(plot(schemes_, "Relative error falls with size", size_axis(),
                                     error_axis(), [&](std::size_t row) {
                                       return PlotPoint{
                                           size(row),
                                           pooled(row),
                                           {},
                                           fmt::format("{}: {}, {}", name(row), size_text(row),
                                                       format_ratio(pooled(row)))};
                                     })));
  }

  PlotPoint accuracy_point(double x, std::size_t row) const {
    const NetworkScore& one = score(row);
    return {x, one.accuracy.value(),
            std::pair(one.accuracy.interval.low, one.accuracy.interval.high),
            fmt::format("{}: {:.2f} %, {:+.2f} points, p {:.3g}, {}", answer_name(row),
                        100 * one.accuracy.value(), 100 * one.comparison.difference,
                        one.comparison.mcnemar_p, size_text(row))};
  }

  template <typename MakeX>
  std::string accuracy_figure(const char* caption, PlotAxis axis, const MakeX& x) const {
    Plot curves = plot(series_, caption, std::move(axis),
                       {"top-1 accuracy", false, false, TickFormat::kPercent},
                       [&](std::size_t row) { return accuracy_point(x(row), row); });
    const double level = outcome_.evaluation->float_network.accuracy.value();
    curves.references = {{fmt::format("float {:.2f} %", 100 * level), level}};
    return html_figure(caption, plot_svg(curves));
  }

  std::string accuracy_by_bits() const {
    return accuracy_figure("Accuracy by width", bits_axis(),
                           [&](std::size_t row) { return static_cast<double>(bits(row)); });
  }

  std::string accuracy_by_size() const {
    return accuracy_figure("Accuracy by size", size_axis(),
                           [&](std::size_t row) { return size(row); });
  }

  // Where there are no classes, how much of the outputs is noise.
  std::vector<std::string> answers_by_bits() const {
    if (outcome_.evaluation->images.has_classes) {
      return {divergence_by_bits(), agreement_by_bits()};
    }
    return {html_figure(
        "Outputs against the float network's",
        plot_svg(plot(series_, "Signal-to-noise ratio of the outputs by width", bits_axis(),
                      {"SQNR, dB", false, false}, [&](std::size_t row) {
                        const double sqnr = score(row).sqnr_db;
                        return PlotPoint{
                            static_cast<double>(bits(row)),
                            sqnr,
                            {},
                            fmt::format("{}: {}", answer_name(row), format_decibel(sqnr))};
                      })))};
  }

  std::string divergence_by_bits() const {
    return html_figure(
        "Divergence from the float network's answers",
        plot_svg(plot(series_, "Mean Kullback-Leibler divergence by width", bits_axis(),
                      {"mean KL, nats", true, false}, [&](std::size_t row) {
                        return PlotPoint{static_cast<double>(bits(row)),
                                         score(row).mean_kl,
                                         {},
                                         fmt::format("{}: {} nats", answer_name(row),
                                                     format_short(score(row).mean_kl))};
                      })));
  }

  std::string agreement_by_bits() const {
    return html_figure(
        "Images with the float network's answer",
        plot_svg(plot(series_, "Agreement by width", bits_axis(),
                      {"agreement", false, false, TickFormat::kPercent}, [&](std::size_t row) {
                        const double agreement = score(row).agreement;
                        return PlotPoint{
                            static_cast<double>(bits(row)),
                            agreement,
                            {},
                            fmt::format("{}: {:.2f} %", answer_name(row), 100 * agreement)};
                      })));
  }

  std::vector<std::string> histograms() const {
    std::vector<std::string> figures;
    for (const SweepHistograms& one : outcome_.histograms) {
      for (std::size_t i = 0; i < one.schemes.size(); ++i) {
        MirroredHistogram histogram;
        histogram.description = fmt::format("Values of {}", one.values.info.name);
        histogram.low = one.values.lo;
        histogram.high = one.values.hi;
        histogram.up = one.values.original;
        histogram.down = one.values.restored.at(i);
        histogram.up_name = "original";
        histogram.down_name =
            fmt::format("{}, {} bits", series_name(one.schemes[i]), one.schemes[i].bits);
        figures.push_back(html_figure(
            fmt::format("{} {}", one.values.info.name, to_string(one.values.info.shape)),
            histogram_svg(histogram)));
      }
    }
    return figures;
  }

  // What all names of the measured tensors begin with, up to a '/'.
  [[nodiscard]] std::size_t common_prefix() const {
    const auto& tensors = outcome_.errors.tensors;
    std::string_view prefix = tensors.empty() ? "" : std::string_view(tensors.front().info.name);
    for (const TensorSweep& tensor : tensors) {
      const auto differs = std::ranges::mismatch(prefix, tensor.info.name).in1;
      prefix = prefix.substr(0, static_cast<std::size_t>(differs - prefix.begin()));
    }
    const std::size_t cut = prefix.rfind('/');
    return cut == std::string_view::npos ? 0 : cut + 1;
  }

  HeatMap heat_map(const SweepSeries& series) const {
    HeatMap map;
    map.row_title = "tensor";
    map.minor_label = "show vectors (biases, scales) too";
    const std::size_t prefix = common_prefix();
    const auto is_vector = [](const TensorSweep& tensor) { return tensor.info.shape.size() < 2; };
    const bool all_are_vectors = std::ranges::all_of(outcome_.errors.tensors, is_vector);
    for (const std::size_t place : series.places) {
      map.columns.push_back(fmt::format("{}", bits(place)));
    }
    for (const TensorSweep& tensor : outcome_.errors.tensors) {
      if (tensor.costs.empty()) continue;
      HeatMapRow& row = map.rows.emplace_back();
      row.label = tensor.info.name.substr(prefix);
      row.is_minor = is_vector(tensor) && !all_are_vectors;
      for (const std::size_t place : series.places) {
        const ErrorSums& errors = tensor.costs[rows_[place].scheme].errors;
        row.values.push_back(errors.relative_l2());
        row.hover.push_back(fmt::format("{} bits: {}, {}", bits(place),
                                        format_ratio(errors.relative_l2()),
                                        format_decibel(errors.sqnr_db())));
      }
    }
    return map;
  }

  const SweepOutcome& outcome_;
  std::vector<SweepSeries> schemes_;  // the first row of each scheme
  std::vector<SweepRow> rows_;
  std::vector<SweepSeries> series_;       // all rows
  std::vector<SchemeSummary> summaries_;  // by row
  double size_unit_ = kKilobyte;
};

}  // namespace

std::string sweep_page(const SweepOutcome& outcome, const Report& report) {
  return SweepPage(outcome).text(report);
}

}  // namespace narrow
