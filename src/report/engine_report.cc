#include "report/engine_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/join_some.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

constexpr std::size_t kMostNames = 4;

using nlohmann::ordered_json;

Table operators_table(const EngineInspection& inspection) {
  using enum CellStyle;
  constexpr auto kPrograms = TableColumn::Audience::kPrograms;
  Table table{"operators", "Operators", {{"operator", "operator"}, {"name", "name"}}, {}};
  for (const Engine engine : kEngines) {
    const std::string name(to_string(engine));
    table.columns.push_back({name, std::string(title_of(engine))});
    table.columns.push_back({name + "_why", "why", kText, kPrograms});
  }
  table.columns.push_back({"pair_sum", "two products", kInteger});
  for (const EngineNode& node : inspection.nodes) {
    std::vector<TableCell> row = {node.op, node.name};
    for (const Engine engine : kEngines) {
      const EngineVerdict& verdict = node.by(engine);
      row.emplace_back(std::string(verdict.is_integer ? "integers" : "float"));
      row.push_back(verdict.is_integer ? TableCell() : TableCell(verdict.why));
    }
    row.push_back(node.pair_sum ? TableCell(static_cast<double>(*node.pair_sum)) : TableCell());
    table.add_row(std::move(row));
  }
  return table;
}

struct EngineCounts {
  std::size_t linear = 0;
  std::size_t linear_integers = 0;
  std::size_t others = 0;
  std::size_t other_integers = 0;
};

EngineCounts count(const EngineInspection& inspection, Engine engine) {
  EngineCounts counts;
  for (const EngineNode& node : inspection.nodes) {
    const std::size_t integers = node.by(engine).is_integer ? 1 : 0;
    ++(node.is_linear ? counts.linear : counts.others);
    (node.is_linear ? counts.linear_integers : counts.other_integers) += integers;
  }
  return counts;
}

std::string counts_text(const EngineCounts& counts) {
  return fmt::format("{} of {} linear layers and {} of {} other operators in integers",
                     counts.linear_integers, counts.linear, counts.other_integers, counts.others);
}

std::string engine_text(const EngineInspection& inspection, Engine engine) {
  std::string text =
      fmt::format("{}: {}\n", title_of(engine), counts_text(count(inspection, engine)));
  std::map<std::string, std::vector<std::string>> by_reason;
  for (const EngineNode& node : inspection.nodes) {
    if (!node.by(engine).is_integer) by_reason[node.by(engine).why].push_back(node.name);
  }
  for (const auto& [why, names] : by_reason) {
    text += fmt::format("  {}: {}\n", why, list_some(names, kMostNames));
  }
  return text;
}

std::vector<const EngineNode*> saturating(const EngineInspection& inspection) {
  std::vector<const EngineNode*> nodes;
  for (const EngineNode& node : inspection.nodes) {
    if (node.saturates()) nodes.push_back(&node);
  }
  return nodes;
}

std::string saturation_text(const EngineInspection& inspection) {
  const std::vector<const EngineNode*> nodes = saturating(inspection);
  if (nodes.empty()) return "no sum of two products saturates on processors without VNNI\n";
  const auto worst =
      std::ranges::max_element(nodes, {}, [](const EngineNode* node) { return *node->pair_sum; });
  return fmt::format(
      "on x86 without VNNI, sums of two products may saturate in {} layers: up to {} in {}, where "
      "16 bits end at 32767\n(ONNX Runtime's session option session.x64quantprecision = 1 avoids "
      "it, and so do weights of 7 bits)\n",
      nodes.size(), *(*worst)->pair_sum, (*worst)->name);
}

}  // namespace

std::string engines_text(const EngineInspection& inspection) {
  std::string text = table_text(operators_table(inspection)) + "\n";
  for (const Engine engine : kEngines) text += engine_text(inspection, engine);
  return text + saturation_text(inspection);
}

Report engines_report(const CheckpointLocation& location, const EngineInspection& inspection) {
  Report report;
  report.title = "What engines compute in integers: " + inspection.network;
  report.facts = {{"checkpoint", location.path.string()}};
  report.tables = {operators_table(inspection)};
  ordered_json engines = ordered_json::object();
  for (const Engine engine : kEngines) {
    const EngineCounts counts = count(inspection, engine);
    engines[std::string(to_string(engine))] = {
        {"linear_layers", counts.linear},
        {"linear_layers_in_integers", counts.linear_integers},
        {"other_operators", counts.others},
        {"other_operators_in_integers", counts.other_integers}};
    report.facts.emplace_back(std::string(title_of(engine)), counts_text(counts));
  }
  const std::size_t saturates = saturating(inspection).size();
  report.facts.emplace_back("may saturate without VNNI", fmt::format("{} layers", saturates));
  report.json = {{"schema", 1},
                 {"format", to_string(location.format)},
                 {"path", location.path.string()},
                 {"network", inspection.network},
                 {"engines", std::move(engines)},
                 {"may_saturate_without_vnni", saturates},
                 {"operators", table_json(report.tables.front())}};
  return report;
}

}  // namespace narrow
