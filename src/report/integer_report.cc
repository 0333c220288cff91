#include "report/integer_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/join_some.h"
#include "report/html/heat_map.h"
#include "report/quantize_report.h"
#include "report/table/numbers.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

// In the summary; the rest is in --json.
constexpr std::size_t kMostNodes = 4;

using nlohmann::ordered_json;
using enum CellStyle;

Table activations_table(const IntegerNetworkResult& result) {
  Table table{"activations",
              "Values between operators",
              {{"value", "value", kText, TableColumn::Audience::kAll, true},
               {"type", "type"},
               {"bits", "bits", kInteger},
               {"min", "min", kShort},
               {"max", "max", kShort},
               {"scale", "scale", kShort},
               {"zero_point", "zero point", kInteger},
               {"clipped", "clipped", kPercent},
               {"relative_error", "relative error", kShort},
               {"wanted_bits", "wanted bits", kInteger}},
              {}};
  for (const QuantizedActivation& value : result.activations) {
    const double share =
        value.values == 0 ? 0
                          : static_cast<double>(value.clipped) / static_cast<double>(value.values);
    const std::optional<int> wanted = value.wanted_bits();
    table.add_row({value.value, value.type, static_cast<std::uint64_t>(value.bits), value.least,
                   value.greatest, static_cast<double>(value.scale),
                   static_cast<double>(value.zero), share,
                   value.values > 0 ? TableCell(value.error) : TableCell(),
                   wanted ? TableCell(static_cast<std::uint64_t>(*wanted)) : TableCell()});
  }
  return table;
}

// The errors of all values at all widths.
ReportPicture activations_map(const IntegerNetworkResult& result) {
  HeatMap map;
  map.row_title = "value";
  for (int bits = kLeastToldBits; bits <= kMostToldBits; ++bits) {
    map.columns.push_back(fmt::format("{}", bits));
  }
  for (const QuantizedActivation& value : result.activations) {
    HeatMapRow& row = map.rows.emplace_back();
    row.label = value.value;
    row.values = value.errors;
    for (std::size_t i = 0; i < value.errors.size(); ++i) {
      row.hover.push_back(fmt::format("{} bits: relative error {}",
                                      kLeastToldBits + static_cast<int>(i),
                                      format_ratio(value.errors[i])));
    }
  }
  return {"Value by value: what a width costs",
          fmt::format("Relative error in percent of every value between operators at every width, "
                      "in the order of execution, of what {} images showed. Wanted bits are the "
                      "fewest with at most {:g} %; red rows want more than the rest.",
                      result.images, 100 * kEnoughForActivation),
          heat_map_html(map)};
}

Table accumulators_table(const IntegerNetworkResult& result) {
  Table table{
      "accumulators",
      "Sums of linear layers",
      {{"layer", "layer", kText, TableColumn::Audience::kAll, true}, {"bits", "bits", kInteger}},
      {}};
  for (const LayerAccumulator& sum : result.accumulators) {
    table.add_row({sum.layer, static_cast<std::uint64_t>(sum.bits)});
  }
  return table;
}

}  // namespace

std::string integer_summary_text(const IntegerNetworkResult& result) {
  std::string text = quantize_summary_text(result.weights.quantization.summary);
  if (result.is_trained) {
    text += fmt::format("{} values between operators as codes, scales of a training\n",
                        result.activations.size());
  } else {
    text += fmt::format("{} values between operators as {} codes, ranges {} of {} images\n",
                        result.activations.size(), to_string(result.scheme),
                        range_text(result.scheme), result.images);
  }
  if (!result.accumulators.empty()) {
    const auto most = std::ranges::max_element(result.accumulators, {}, &LayerAccumulator::bits);
    text += fmt::format("{} linear layers; their sums need at most {} bits ({})\n",
                        result.accumulators.size(), most->bits, most->layer);
  }
  if (!result.widened.empty()) {
    text += fmt::format(
        "larger weight scales of some channels in {} layers, so that biases fit in "
        "32 bits: {}\n",
        result.widened.size(), list_some(result.widened, kMostNodes));
  }
  if (result.float_nodes.empty()) return text + "every operator is computed in integers\n";
  return text + fmt::format("in floating point: {}\n", list_some(result.float_nodes, kMostNodes));
}

ordered_json integer_json(const IntegerNetworkResult& result) {
  ordered_json json = quantize_json(result.weights.quantization);
  const bool is_trained = result.is_trained;
  json["activations"] = {{"scheme", is_trained ? "trained" : to_string(result.scheme)},
                         {"range", is_trained ? "trained" : range_text(result.scheme)},
                         {"target", to_string(result.target)},
                         {"images", result.images},
                         {"values", table_json(activations_table(result))}};
  json["accumulators"] = table_json(accumulators_table(result));
  json["float_nodes"] = result.float_nodes;
  json["widened"] = result.widened;
  return json;
}

Report integer_report(const IntegerNetworkResult& result, const std::string& method,
                      ordered_json json) {
  Report report = quantize_report(result.weights.quantization, method, std::move(json));
  report.tables.push_back(activations_table(result));
  report.tables.push_back(accumulators_table(result));
  const auto tells_widths = [](const QuantizedActivation& value) { return !value.errors.empty(); };
  if (std::ranges::any_of(result.activations, tells_widths)) {
    report.pictures.push_back(activations_map(result));
  }
  return report;
}

}  // namespace narrow
