#include "report/quantize_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "report/channel_axis.h"
#include "report/copied_report.h"
#include "report/format_report.h"
#include "report/scheme_members.h"
#include "report/table/numbers.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

// The parameters of a tensor in one table cell.
std::string params_text(const TensorResult& result) {
  if (result.params.empty()) return "";
  if (result.blocks > 1) return fmt::format("{} blocks", result.blocks);
  const BlockParams& params = result.params.front();
  switch (result.scheme.kind) {
    case SchemeKind::kBin:
      return fmt::format("[{:.4g}, {:.4g}]", params.lo, params.hi);
    case SchemeKind::kFixedPoint:
      if (result.scheme.scaling == Scaling::kBinary) return q_format(result.scheme, params);
      return fmt::format("10^{} 2^{}", params.decimal_exponent, params.fraction_bits);
    case SchemeKind::kAffine:
      return fmt::format("scale {:.4g} zero {}", params.scale, params.zero);
    case SchemeKind::kSymmetric:
      return fmt::format("scale {:.4g}", params.scale);
    case SchemeKind::kCodebook:
      return fmt::format("{} levels in [{:.4g}, {:.4g}]", params.levels.size(), params.lo,
                         params.hi);
  }
  return "";
}

ordered_json block_json(const Scheme& scheme, const BlockParams& params) {
  ordered_json json = {{"lo", params.lo}, {"hi", params.hi}};
  switch (scheme.kind) {
    case SchemeKind::kBin:
      json["width"] = params.bin_width;
      break;
    case SchemeKind::kFixedPoint:
      json["signed"] = params.is_signed;
      json["fraction_bits"] = params.fraction_bits;
      if (scheme.scaling == Scaling::kDecimal) {
        json["decimal_exponent"] = params.decimal_exponent;
        json["clips"] = params.clips;
      } else {
        json["format"] = q_format(scheme, params);
        if (has_format(scheme)) json["clips"] = params.clips;
      }
      break;
    case SchemeKind::kAffine:
      json["scale"] = params.scale;
      json["zero"] = params.zero;
      break;
    case SchemeKind::kSymmetric:
      json["scale"] = params.scale;
      break;
    case SchemeKind::kCodebook:
      json["levels"] = params.levels;
      break;
  }
  return json;
}

// One object for one block, an array for several; null when there are more than are kept.
ordered_json params_json(const TensorResult& result) {
  if (result.params.empty() || result.blocks > result.params.size()) return nullptr;
  if (result.blocks == 1) return block_json(result.scheme, result.params.front());
  ordered_json array = ordered_json::array();
  for (const BlockParams& params : result.params)
    array.push_back(block_json(result.scheme, params));
  return array;
}

ordered_json tensor_json(const TensorResult& result) {
  ordered_json json = {{"name", result.info.name},
                       {"dtype", result.info.type_name()},
                       {"shape", result.info.shape},
                       {"quantized", result.quantized}};
  if (result.non_finite > 0) json["non_finite"] = result.non_finite;
  if (!result.quantized && result.reason != CopyReason::kNone) {
    json["reason"] = to_string(result.reason);
  }
  if (!result.quantized) return json;
  add_scheme_json(result.scheme, channel_axes_of(result.scheme, result.info), json);
  json["blocks"] = result.blocks;
  json["params"] = params_json(result);
  json["relative_l2"] = json_number(result.errors.relative_l2());
  json["sqnr_db"] = json_number(result.errors.sqnr_db());
  json["max_abs_error"] = json_number(result.errors.max_abs_d);
  json["bias"] = json_number(result.errors.bias());
  json["cosine"] = json_number(result.errors.cosine());
  if (result.codes_used.has_value()) json["codes_used"] = *result.codes_used;
  if (result.entropy_bits.has_value()) json["entropy_bits"] = *result.entropy_bits;
  if (result.clipped_blocks > 0) json["clipped_blocks"] = result.clipped_blocks;
  if (result.clipped_values > 0) json["clipped_values"] = result.clipped_values;
  add_overflow_json(result.scheme, result.errors.overflowed, json);
  return json;
}

template <typename Number>
TableCell optional_cell(const std::optional<Number>& value) {
  return value ? TableCell(*value) : TableCell();
}

void add_tensor_row(const TensorResult& tensor, const OverflowColumns& overflow, Table& table) {
  std::vector<TableCell> row = {tensor.info.name, to_string(tensor.info.shape),
                                std::string(tensor.info.type_name())};
  if (!tensor.quantized) {
    row.emplace_back(tensor.non_finite > 0 ? "kept: not finite"
                                           : copied_cell(tensor.reason, "copied"));
    row.resize(table.columns.size());
    table.add_row(std::move(row));
    return;
  }
  const std::vector<TableCell> rest = {params_text(tensor),
                                       std::string(to_string(tensor.scheme.kind)),
                                       static_cast<std::uint64_t>(tensor.scheme.bits),
                                       to_string(tensor.scheme.granularity),
                                       axis_cell(channel_axes_of(tensor.scheme, tensor.info)),
                                       tensor.blocks,
                                       tensor.errors.relative_l2(),
                                       tensor.errors.sqnr_db(),
                                       tensor.errors.max_abs_d,
                                       tensor.errors.bias(),
                                       tensor.errors.cosine(),
                                       optional_cell(tensor.codes_used),
                                       optional_cell(tensor.entropy_bits)};
  row.insert(row.end(), rest.begin(), rest.end());
  overflow.add_to(row, &tensor.scheme, tensor.errors.overflowed);
  table.add_row(std::move(row));
}

std::string copied_fact(const QuantizeSummary& summary) {
  const std::string reasons = describe(summary.copied_by_reason);
  return reasons.empty() ? fmt::format("{}", summary.copied)
                         : fmt::format("{} ({})", summary.copied, reasons);
}

}  // namespace

Table quantize_table(const QuantizeResult& result) {
  const bool has_axes = std::ranges::any_of(result.tensors, [](const TensorResult& tensor) {
    return tensor.quantized && channel_axes_of(tensor.scheme, tensor.info).has_value();
  });
  using enum CellStyle;
  constexpr auto kPeople = TableColumn::Audience::kPeople;
  constexpr auto kPrograms = TableColumn::Audience::kPrograms;
  constexpr auto kAll = TableColumn::Audience::kAll;
  Table table{"tensors",
              "Tensors",
              {{"name", "tensor", kText, kAll, true},
               {"shape", "shape", kText, kAll, true},
               {"dtype", "dtype", kText, kAll, true},
               {"parameters", "parameters", kText, kPeople, true},
               {"scheme", "scheme", kText, kPrograms},
               {"bits", "bits", kInteger, kPrograms},
               {"granularity", "granularity", kText, kPrograms},
               axis_column(has_axes),
               {"blocks", "blocks", kInteger, kPrograms},
               {"relative_l2", "relative error", kShort},
               {"sqnr_db", "SQNR dB", kFixed2},
               {"max_abs_error", "largest |d|", kShort},
               {"bias", "bias", kShort, kPrograms},
               {"cosine", "cosine", kShort, kPrograms},
               {"codes_used", "codes", kInteger},
               {"entropy_bits", "entropy", kFixed2}},
              {}};
  OverflowColumns overflow;
  for (const TensorResult& tensor : result.tensors) {
    if (tensor.quantized) overflow.expect(tensor.scheme);
  }
  overflow.add_to(table);
  for (const TensorResult& tensor : result.tensors) add_tensor_row(tensor, overflow, table);
  return table;
}

std::string quantize_summary_text(const QuantizeSummary& summary) {
  const double gigabytes = static_cast<double>(summary.input_bytes) / 1e9;
  std::string text =
      fmt::format("{} tensors quantized, {} copied\n", summary.quantized, summary.copied);
  text += copied_text(summary.copied_by_reason, "copied");
  if (summary.quantized > 0) {
    text += fmt::format(
        "relative error: minimum {}\n"
        "                maximum {}\n"
        "                average {}\n"
        "                pooled  {}\n"
        "SQNR {}\n",
        format_ratio(summary.min_relative_l2), format_ratio(summary.max_relative_l2),
        format_ratio(summary.mean_relative_l2), format_ratio(summary.pooled.relative_l2()),
        format_decibel(summary.pooled.sqnr_db()));
  }
  return text + fmt::format("{} in {:.3f} s, {:.2f} GB/s\n", format_bytes(summary.input_bytes),
                            summary.seconds, gigabytes / summary.seconds);
}

ordered_json quantize_json(const QuantizeResult& result) {
  ordered_json tensors = ordered_json::array();
  for (const TensorResult& tensor : result.tensors) tensors.push_back(tensor_json(tensor));
  const QuantizeSummary& summary = result.summary;
  ordered_json summary_json = {{"quantized", summary.quantized},
                               {"copied", summary.copied},
                               {"copied_by_reason", copied_json(summary.copied_by_reason)},
                               {"kept_non_finite", summary.kept_non_finite},
                               {"relative_l2",
                                {{"min", json_number(summary.min_relative_l2)},
                                 {"max", json_number(summary.max_relative_l2)},
                                 {"mean", json_number(summary.mean_relative_l2)},
                                 {"pooled", json_number(summary.pooled.relative_l2())}}},
                               {"sqnr_db", json_number(summary.pooled.sqnr_db())},
                               {"input_bytes", summary.input_bytes},
                               {"seconds", summary.seconds}};
  return {{"schema", 1}, {"tensors", std::move(tensors)}, {"summary", std::move(summary_json)}};
}

std::vector<std::string> overflow_sentences(const QuantizeResult& result) {
  std::vector<TensorOverflow> tensors;
  for (const TensorResult& tensor : result.tensors) {
    if (tensor.quantized) {
      tensors.push_back({tensor.info.name, tensor.scheme, tensor.errors.overflowed});
    }
  }
  return overflow_sentences(tensors);
}

Report quantize_report(const QuantizeResult& result, const std::string& title, ordered_json json) {
  const QuantizeSummary& summary = result.summary;
  Report report;
  report.title = "Quantized: " + title;
  report.facts = {{"checkpoint", json.value("input", "")},
                  {"tensors quantized", fmt::format("{}", summary.quantized)},
                  {"tensors copied", copied_fact(summary)},
                  {"relative error, minimum", format_ratio(summary.min_relative_l2)},
                  {"relative error, maximum", format_ratio(summary.max_relative_l2)},
                  {"relative error, average", format_ratio(summary.mean_relative_l2)},
                  {"relative error, pooled", format_ratio(summary.pooled.relative_l2())},
                  {"SQNR", format_decibel(summary.pooled.sqnr_db())}};
  report.tables.push_back(quantize_table(result));
  report.json = std::move(json);
  return report;
}

}  // namespace narrow
