#include "report/packed_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/utf8.h"
#include "report/channel_axis.h"
#include "report/copied_report.h"
#include "report/format_report.h"
#include "report/scheme_members.h"
#include "report/table/numbers.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

double bits_per_weight(const PackedTensor& tensor) {
  const std::uint64_t elements = element_count(tensor.info.shape);
  if (!tensor.scheme.has_value() || elements == 0) return 0;
  return 8 * static_cast<double>(tensor.stored_bytes()) / static_cast<double>(elements);
}

std::string state_of(const PackedTensor& tensor) {
  if (tensor.non_finite > 0) return "unchanged: not finite";
  return tensor.scheme.has_value() ? std::string(to_string(tensor.scheme->kind))
                                   : copied_cell(tensor.reason, "unchanged");
}

std::optional<ChannelAxes> axes_of(const PackedTensor& tensor) {
  return tensor.scheme ? channel_axes_of(*tensor.scheme, tensor.info) : std::nullopt;
}

ordered_json tensor_json(const PackedTensor& tensor) {
  ordered_json json = {{"name", tensor.info.name},
                       {"dtype", tensor.info.type_name()},
                       {"shape", tensor.info.shape},
                       {"quantized", tensor.scheme.has_value()}};
  if (tensor.non_finite > 0) json["non_finite"] = tensor.non_finite;
  if (tensor.reason != CopyReason::kNone) json["reason"] = to_string(tensor.reason);
  json["bytes"] = tensor.stored_bytes();
  if (!tensor.scheme.has_value()) return json;
  const Scheme& scheme = *tensor.scheme;
  add_scheme_json(scheme, axes_of(tensor), json);
  json["blocks"] = tensor.blocks;
  json["code_bytes"] = tensor.code_bytes;
  json["parameter_bytes"] = tensor.parameter_bytes;
  if (tensor.clipped_blocks > 0) json["clipped_blocks"] = tensor.clipped_blocks;
  json["bits_per_weight"] = bits_per_weight(tensor);
  add_overflow_json(scheme, tensor.overflowed, json);
  return json;
}

ordered_json summary_json(const PackedSummary& summary) {
  return {{"quantized", summary.quantized},
          {"unchanged", summary.unchanged},
          {"unchanged_by_reason", copied_json(summary.unchanged_by_reason)},
          {"weights", summary.weights},
          {"code_bytes", summary.code_bytes},
          {"parameter_bytes", summary.parameter_bytes},
          {"unchanged_bytes", summary.unchanged_bytes},
          {"bits_per_weight", summary.bits_per_weight()},
          {"input_bytes", summary.input_bytes},
          {"file_bytes", summary.file_bytes}};
}

}  // namespace

Table packed_table(const PackedContents& contents) {
  using enum CellStyle;
  constexpr auto kAll = TableColumn::Audience::kAll;
  constexpr auto kPrograms = TableColumn::Audience::kPrograms;
  const bool has_axes = std::ranges::any_of(
      contents.tensors, [](const PackedTensor& tensor) { return axes_of(tensor).has_value(); });
  Table table{"tensors",
              "Tensors",
              {{"name", "tensor", kText, kAll, true},
               {"shape", "shape", kText, kAll, true},
               {"dtype", "dtype", kText, kAll, true},
               {"scheme", "scheme", kText, kAll, true},
               {"bits", "bits", kInteger},
               axis_column(has_axes),
               {"blocks", "blocks", kInteger},
               {"code_bytes", "code bytes", kInteger, kPrograms},
               {"parameter_bytes", "parameter bytes", kInteger, kPrograms},
               {"bytes", "bytes", kInteger},
               {"bits_per_weight", "bits/weight", kFixed2}},
              {}};
  OverflowColumns overflow;
  for (const PackedTensor& tensor : contents.tensors) {
    if (tensor.scheme.has_value()) overflow.expect(*tensor.scheme);
  }
  overflow.add_to(table);
  for (const PackedTensor& tensor : contents.tensors) {
    std::vector<TableCell> row = {tensor.info.name, to_string(tensor.info.shape),
                                  std::string(tensor.info.type_name()), state_of(tensor)};
    if (tensor.scheme.has_value()) {
      row.emplace_back(static_cast<std::uint64_t>(tensor.scheme->bits));
      row.push_back(axis_cell(axes_of(tensor)));
      row.emplace_back(tensor.blocks);
      row.emplace_back(tensor.code_bytes);
      row.emplace_back(tensor.parameter_bytes);
      row.emplace_back(tensor.stored_bytes());
      row.emplace_back(bits_per_weight(tensor));
    } else {
      row.resize(row.size() + 5);
      row.emplace_back(tensor.stored_bytes());
      row.emplace_back();
    }
    overflow.add_to(row, tensor.scheme.has_value() ? &*tensor.scheme : nullptr, tensor.overflowed);
    table.add_row(std::move(row));
  }
  return table;
}

std::vector<std::string> overflow_sentences(const PackedContents& contents) {
  std::vector<TensorOverflow> tensors;
  for (const PackedTensor& tensor : contents.tensors) {
    if (tensor.scheme.has_value()) {
      tensors.push_back({tensor.info.name, *tensor.scheme, tensor.overflowed});
    }
  }
  return overflow_sentences(tensors);
}

std::string packed_summary_text(const PackedSummary& summary) {
  std::string text =
      fmt::format("{} tensors quantized, {} unchanged\n", summary.quantized, summary.unchanged);
  text += copied_text(summary.unchanged_by_reason, "unchanged");
  if (summary.weights > 0) {
    text += fmt::format("codes      {}\nparameters {}\n", format_bytes(summary.code_bytes),
                        format_bytes(summary.parameter_bytes));
  }
  if (summary.unchanged > 0) {
    text += fmt::format("unchanged  {}\n", format_bytes(summary.unchanged_bytes));
  }
  text += fmt::format("file       {}\n", format_bytes(summary.file_bytes));
  if (summary.weights > 0) {
    text += fmt::format("{:.4f} bits per weight, parameters included; the file is {} {}\n",
                        summary.bits_per_weight(),
                        format_size_ratio(summary.file_bytes, summary.input_bytes),
                        format_bytes(summary.input_bytes));
  }
  return text;
}

ordered_json packed_json(const PackedContents& contents) {
  ordered_json tensors = ordered_json::array();
  for (const PackedTensor& tensor : contents.tensors) tensors.push_back(tensor_json(tensor));
  return {{"schema", 1},
          {"tool", contents.tool},
          {"input_format", to_string(contents.input_format)},
          {"input_digest", contents.input_digest},
          {"tensors", std::move(tensors)},
          {"summary", summary_json(contents.summary())}};
}

Report packed_report(const PackedContents& contents, ordered_json json) {
  const PackedSummary summary = contents.summary();
  Report report;
  report.title = "Packed checkpoint";
  report.facts = {{"tensors quantized", fmt::format("{}", summary.quantized)},
                  {"tensors unchanged", fmt::format("{}", summary.unchanged)},
                  {"bits per weight", fmt::format("{:.4f}", summary.bits_per_weight())},
                  {"codes", format_bytes(summary.code_bytes)},
                  {"parameters", format_bytes(summary.parameter_bytes)},
                  {"file", format_bytes(summary.file_bytes)}};
  report.tables.push_back(packed_table(contents));
  report.json = std::move(json);
  return report;
}

std::string differences_text(const std::vector<PackedDifference>& differences,
                             std::size_t tensors) {
  if (differences.empty()) {
    return fmt::format("verified: all {} tensors are what the checkpoint gives\n", tensors);
  }
  std::string text;
  for (const PackedDifference& difference : differences) {
    if (!difference.tensor.empty()) text += shown(difference.tensor) + ": ";
    text += shown(difference.sentence) + "\n";
  }
  return text + fmt::format("not verified: {} of {} tensors differ\n", differences.size(), tensors);
}

ordered_json differences_json(const std::vector<PackedDifference>& differences) {
  ordered_json list = ordered_json::array();
  for (const PackedDifference& difference : differences) {
    list.push_back({{"tensor", difference.tensor}, {"difference", difference.sentence}});
  }
  return {{"schema", 1}, {"verified", differences.empty()}, {"differences", std::move(list)}};
}

}  // namespace narrow
