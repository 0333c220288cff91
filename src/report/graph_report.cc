#include "report/graph_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "report/html/html_page.h"
#include "report/html/svg_graph.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

std::string short_weights(const GraphRow& row) {
  std::string text;
  for (const std::string& weight : row.weights) {
    if (!text.empty()) text += " ";
    text += weight.starts_with(row.name + "/") ? weight.substr(row.name.size() + 1) : weight;
  }
  return text;
}

TableCell count_cell(std::uint64_t count) {
  if (count == 0) return std::string();
  return count;
}

Table nodes_table(const GraphTable& graph) {
  using enum CellStyle;
  Table table{"nodes",
              "Nodes",
              {{"operator", "operator"},
               {"name", "name"},
               {"attributes", "attributes"},
               {"result", "result"},
               {"parameters", "parameters", kInteger},
               {"multiply_adds", "multiply-adds", kInteger},
               {"weights", "weights"}},
              {}};
  for (const GraphRow& row : graph.rows) {
    table.add_row({row.op, row.name, row.attributes, row.result, count_cell(row.parameters),
                   count_cell(row.multiply_adds), short_weights(row)});
  }
  return table;
}

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string graph_page(const GraphTable& graph, const Report& report) {
  std::vector<SvgGraphNode> nodes;
  for (const GraphRow& row : graph.rows) {
    SvgGraphNode& node = nodes.emplace_back();
    node.title = row.attributes.empty() ? row.op : row.op + " " + row.attributes;
    node.subtitle = row.name;
    node.hover = fmt::format("{}\n{} parameters\n{} multiply-adds", row.result, row.parameters,
                             row.multiply_adds);
    node.sources = row.sources;
    node.shares = {share(row.multiply_adds, graph.multiply_adds),
                   share(row.parameters, graph.parameters)};
  }
  HtmlPage page(report.title, report.facts.front().second);
  page.add_tiles({{fmt::format("{}", graph.rows.size()), "inputs and nodes"},
                  {fmt::format("{}", graph.parameters), "parameters"},
                  {fmt::format("{}", graph.multiply_adds), "multiply-adds for one example"}});
  page.add_section("Graph",
                   "Boxes are coloured by their share of what is chosen. Ctrl and the wheel zoom; "
                   "a box says more under the pointer.",
                   graph_svg(nodes, {"multiply-adds", "parameters"}));
  page.add_section("Nodes", "", html_table(report.tables.front()));
  return page.text("Made by narrow.");
}

}  // namespace

std::string graph_text(const GraphTable& graph) {
  return table_text(nodes_table(graph)) + fmt::format("{}: {} parameters, {} multiply-adds\n",
                                                      graph.name, graph.parameters,
                                                      graph.multiply_adds);
}

ordered_json graph_json(const CheckpointLocation& location, const GraphTable& graph) {
  ordered_json rows = ordered_json::array();
  for (const GraphRow& row : graph.rows) {
    rows.push_back({{"operator", row.op},
                    {"name", row.name},
                    {"attributes", row.attributes},
                    {"result", row.result},
                    {"parameters", row.parameters},
                    {"multiply_adds", row.multiply_adds},
                    {"weights", row.weights}});
  }
  return {{"schema", 1},
          {"format", to_string(location.format)},
          {"path", location.path.string()},
          {"network", graph.name},
          {"nodes", std::move(rows)},
          {"summary", {{"parameters", graph.parameters}, {"multiply_adds", graph.multiply_adds}}}};
}

Report graph_report(const CheckpointLocation& location, const GraphTable& graph) {
  Report report;
  report.title = "Network " + graph.name;
  report.facts = {{"checkpoint", location.path.string()},
                  {"parameters", std::to_string(graph.parameters)},
                  {"multiply-adds", std::to_string(graph.multiply_adds)}};
  report.tables = {nodes_table(graph)};
  report.json = graph_json(location, graph);
  report.html = graph_page(graph, report);
  return report;
}

}  // namespace narrow
