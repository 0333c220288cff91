#include "report/plan_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/join_some.h"
#include "base/json_text.h"
#include "base/utf8.h"
#include "report/channel_axis.h"
#include "report/copied_report.h"
#include "report/table/numbers.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

TableCell cell_of(const std::optional<double>& value) {
  return value ? TableCell(*value) : TableCell();
}

std::string width_text(const CurvePoint& point) {
  return point.single_bits ? fmt::format("{}", *point.single_bits) : "budget";
}

// "3 bits for 12 tensors, 4 for 20".
template <typename Planned>
std::string widths_text(const std::vector<Planned>& planned, std::string_view what) {
  std::map<int, int> counts;
  for (const Planned& one : planned) ++counts[one.scheme.bits];
  std::string text;
  for (const auto& [bits, count] : counts) {
    if (text.empty()) {
      text = fmt::format("{} bit{} for {} {}{}", bits, bits == 1 ? "" : "s", count, what,
                         count == 1 ? "" : "s");
    } else {
      text += fmt::format(", {} for {}", bits, count);
    }
  }
  return text;
}

std::vector<std::string> float_names(const BitAllocation& plan) {
  std::vector<std::string> names;
  for (const TensorInfo& info : plan.left_in_float)
    names.push_back(replace_invalid_utf8(info.name));
  return names;
}

// "dense/weights and 2 more (1.2 MB)".
std::string float_text(const BitAllocation& plan) {
  constexpr std::size_t kMostNamesListed = 5;
  std::uint64_t bytes = 0;
  for (const TensorInfo& info : plan.left_in_float) bytes += info.byte_size();
  return fmt::format("{} ({})", list_some(float_names(plan), kMostNamesListed),
                     format_short_bytes(static_cast<double>(bytes)));
}

// How good the plan is known to be.
std::string certainty_text(const BitAllocation& plan) {
  if (plan.unit_bytes == 1) return "no plan within the budget damages less";
  return fmt::format(
      "searched in units of {} bytes; a better plan may exist, but none beyond the gap",
      plan.unit_bytes);
}

std::string damage_name(const BitAllocation& plan) {
  std::string name(to_string(plan.damage_kind));
  return plan.image_size == 0 ? name : fmt::format("{}, {} pixels", name, plan.image_size);
}

}  // namespace

Table curve_table(const BitAllocation& plan) {
  Table table{"curve",
              "Damage and size: every tensor at one width, and the best plan of that size",
              {{"width", "one width", CellStyle::kText},
               {"single_damage", "its damage", CellStyle::kShort},
               {"budget_bytes", "bytes", CellStyle::kInteger},
               {"average_bits", "bits/weight", CellStyle::kFixed2},
               {"damage", "plan's damage", CellStyle::kShort},
               {"lower_bound", "at least", CellStyle::kShort}},
              {}};
  for (const CurvePoint& point : plan.curve) {
    table.add_row({width_text(point), cell_of(point.single_damage), point.budget_bytes,
                   point.average_bits, point.damage, point.lower_bound});
  }
  return table;
}

Table allocation_table(const BitAllocation& plan, bool with_spread) {
  const bool has_axes = std::ranges::any_of(plan.tensors, [](const AllocatedTensor& tensor) {
    return channel_axes_of(tensor.scheme, tensor.info).has_value();
  });
  Table table{"tensors",
              "Width of every tensor",
              {{"bits", "bits", CellStyle::kInteger},
               {"bytes", "bytes", CellStyle::kInteger},
               {"damage", "damage", CellStyle::kShort},
               {"relative_l2", "relative error", CellStyle::kShort},
               {"wider_bits", "next width", CellStyle::kInteger},
               {"wider_bytes", "its bytes", CellStyle::kInteger},
               {"wider_damage", "its damage", CellStyle::kShort}},
              {}};
  // With so many columns the name comes first, or a page would have to be moved to show it.
  const auto describe = [&](auto& row, const auto& axis, const auto& shape, const auto& name) {
    if (with_spread) {
      row.insert(row.begin(), {name, axis, shape});
    } else {
      row.insert(row.end(), {axis, shape, name});
    }
  };
  if (with_spread) {
    table.columns.insert(table.columns.end(), {{"minimum", "least", CellStyle::kShort},
                                               {"maximum", "greatest", CellStyle::kShort},
                                               {"peak", "peak/rms", CellStyle::kFixed2}});
  }
  describe(table.columns, axis_column(has_axes), TableColumn{"shape", "shape", CellStyle::kText},
           TableColumn{"name", "tensor", CellStyle::kText});
  for (const AllocatedTensor& tensor : plan.tensors) {
    const std::optional<WiderTensor>& wider = tensor.wider;
    std::vector<TableCell> row = {
        static_cast<std::uint64_t>(tensor.scheme.bits),
        tensor.bytes,
        tensor.damage,
        tensor.relative_l2,
        wider ? TableCell(static_cast<std::uint64_t>(wider->bits)) : TableCell(),
        wider ? TableCell(wider->bytes) : TableCell(),
        wider ? TableCell(wider->damage) : TableCell()};
    if (with_spread) {
      row.insert(row.end(), {double{tensor.spread.minimum}, double{tensor.spread.maximum},
                             tensor.spread.peak()});
    }
    describe(row, axis_cell(channel_axes_of(tensor.scheme, tensor.info)),
             TableCell(to_string(tensor.info.shape)), TableCell(tensor.info.name));
    table.add_row(std::move(row));
  }
  return table;
}

Table planned_activations_table(const BitAllocation& plan) {
  Table table{"activations",
              "Width of values between operators",
              {{"bits", "bits", CellStyle::kInteger},
               {"elements", "elements", CellStyle::kInteger},
               {"damage", "damage", CellStyle::kShort},
               {"values", "values", CellStyle::kText}},
              {}};
  for (const AllocatedActivation& activation : plan.activations) {
    table.add_row({static_cast<std::uint64_t>(activation.scheme.bits), activation.elements,
                   activation.damage, fmt::format("{}", fmt::join(activation.values, " "))});
  }
  return table;
}

std::string plan_summary_text(const BitAllocation& plan, bool has_budget) {
  const std::size_t in_float = plan.left_in_float.size();
  std::string text = fmt::format(
      "{} tensors planned{}, {} copied\n", plan.tensors.size() + in_float,
      in_float > 0 ? fmt::format(", {} of them left in float", in_float) : "", plan.copied);
  text += copied_text(plan.copied_by_reason, "copied");
  if (has_budget) {
    text += fmt::format("budget   {}{}\n", format_bytes(plan.budget_bytes),
                        plan.quantized_only ? " for the planned tensors" : "");
  }
  text += fmt::format("plan     {}", format_bytes(plan.bytes()));
  text += plan.quantized_only
              ? fmt::format(", and {} copied\n", format_bytes(plan.copied_bytes))
              : fmt::format(", of which {} copied\n", format_bytes(plan.copied_bytes));
  text += fmt::format("         {:.3f} bits per weight, parameters included\n", plan.weight_bits());
  if (!plan.activations.empty()) {
    text += fmt::format("values   {:.3f} bits each, {} of one example between operators: {}\n",
                        plan.activation_bits(), plan.activation_elements,
                        widths_text(plan.activations, "format"));
  }
  text += fmt::format("widths   {}\n", widths_text(plan.tensors, "tensor"));
  if (in_float > 0) text += fmt::format("in float {}\n", float_text(plan));
  text += fmt::format("damage   {} ({}), at least {} for any plan: gap {:.3g} %\n",
                      format_short(plan.damage), damage_name(plan), format_short(plan.lower_bound),
                      100 * plan.gap());
  return text + fmt::format("         {}\n", certainty_text(plan));
}

ordered_json plan_json(const BitAllocation& plan) {
  BitAllocation printable = plan;  // a plan file holds names exactly or not at all
  for (AllocatedTensor& tensor : printable.tensors) {
    tensor.info.name = replace_invalid_utf8(tensor.info.name);
  }
  for (TensorInfo& info : printable.left_in_float) info.name = replace_invalid_utf8(info.name);
  ordered_json json = parse_json(plan_file_text(printable));
  json["damage"]["gap"] = json_number(plan.gap());
  json["copied"] = plan.copied;
  json["copied_by_reason"] = copied_json(plan.copied_by_reason);
  json["curve"] = table_json(curve_table(plan));
  return json;
}

Report plan_report(const BitAllocation& plan) {
  Report report;
  report.title = fmt::format("Budget plan for {}", plan.input);
  report.facts = {{"budget", format_bytes(plan.budget_bytes)},
                  {"plan", format_bytes(plan.bytes())},
                  {"bits per weight", fmt::format("{:.3f}", plan.weight_bits())},
                  {"widths", widths_text(plan.tensors, "tensor")},
                  {"damage", fmt::format("{} ({})", format_short(plan.damage), damage_name(plan))},
                  {"lower bound", format_short(plan.lower_bound)},
                  {"gap", fmt::format("{:.3g} %", 100 * plan.gap())}};
  if (!plan.left_in_float.empty()) report.facts.emplace_back("left in float", float_text(plan));
  report.tables = {curve_table(plan), allocation_table(plan, true)};
  if (!plan.activations.empty()) {
    report.facts.emplace_back(
        "bits of values between operators",
        fmt::format("{:.3f}: {}", plan.activation_bits(), widths_text(plan.activations, "format")));
    report.tables.push_back(planned_activations_table(plan));
  }
  report.json = plan_json(plan);
  return report;
}

}  // namespace narrow
