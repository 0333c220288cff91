#include "report/convert_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "report/report.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

std::string type_text(const TensorInfo& info) {
  return fmt::format("{}{}", info.type_name(), to_string(info.shape));
}

CopyCounts reasons_of(const ConvertPlan& plan) {
  CopyCounts counts;
  for (const auto& [name, reason] : plan.left_out) ++counts[reason];
  return counts;
}

}  // namespace

std::string conversion_table_text(const ConvertPlan& plan) {
  Table table{"tensors",
              "Tensors",
              {{"name", "tensor"}, {"type", "type"}, {"new_name", "becomes"}, {"new_type", "type"}},
              {}};
  for (const ConvertedTensor& tensor : plan.tensors) {
    table.add_row(
        {tensor.before.name, type_text(tensor.before), tensor.after.name, type_text(tensor.after)});
  }
  return table_text(table);
}

std::string conversion_summary_text(const ConvertPlan& plan) {
  const auto count = [&](auto differs) {
    return std::ranges::count_if(plan.tensors, [&](const ConvertedTensor& tensor) {
      return differs(tensor.before, tensor.after);
    });
  };
  std::string text = fmt::format(
      "{} tensors ({} renamed, {} of another type, {} with other axes)", plan.tensors.size(),
      count([](const auto& a, const auto& b) { return a.name != b.name; }),
      count([](const auto& a, const auto& b) { return a.dtype != b.dtype; }),
      std::ranges::count_if(plan.tensors, [](const auto& t) { return !t.axes.empty(); }));
  if (!plan.left_out.empty()) text += ", left out: " + describe(reasons_of(plan));
  return text + "\n";
}

ordered_json conversion_json(const ConvertPlan& plan) {
  ordered_json tensors = ordered_json::array();
  for (const ConvertedTensor& tensor : plan.tensors) {
    tensors.push_back({{"name", tensor.before.name},
                       {"dtype", tensor.before.type_name()},
                       {"shape", tensor.before.shape},
                       {"new_name", tensor.after.name},
                       {"new_dtype", tensor.after.type_name()},
                       {"new_shape", tensor.after.shape}});
  }
  ordered_json left_out = ordered_json::array();
  for (const auto& [name, reason] : plan.left_out) {
    left_out.push_back({{"name", name}, {"reason", to_string(reason)}});
  }
  return {
      {"tensors", std::move(tensors)}, {"left_out", std::move(left_out)}, {"notes", plan.notes}};
}

std::string exported_network_text(const ExportedNetwork& network,
                                  const CheckpointLocation& output) {
  std::string text =
      fmt::format("{}: {} nodes of opset {}, {} weights of {} bytes\n", network.name, network.nodes,
                  network.opset, network.weights, network.weight_bytes);
  for (const std::string& input : network.inputs) text += fmt::format("input: {}\n", input);
  for (const std::string& made : network.outputs) text += fmt::format("output: {}\n", made);
  return text + fmt::format("written: {}\n", shown(output.path.string()));
}

nlohmann::ordered_json exported_network_json(const ExportedNetwork& network,
                                             const CheckpointReader& input,
                                             const CheckpointLocation& output) {
  return {{"schema", 1},
          {"input", input.location().path.string()},
          {"input_format", to_string(input.location().format)},
          {"output", output.path.string()},
          {"output_format", to_string(output.format)},
          {"network", network.name},
          {"opset", network.opset},
          {"nodes", network.nodes},
          {"weights", network.weights},
          {"weight_bytes", network.weight_bytes},
          {"inputs", network.inputs},
          {"outputs", network.outputs}};
}

}  // namespace narrow
