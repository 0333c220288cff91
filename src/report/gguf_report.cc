#include "report/gguf_report.h"

#include <fmt/format.h>

#include <map>

#include "report/table/numbers.h"

namespace narrow {
namespace {

struct TypeTotal {
  std::uint64_t tensors = 0;
  std::uint64_t bytes = 0;
};

std::map<std::string, TypeTotal> totals_by_type(const GgufPackResult& result) {
  std::map<std::string, TypeTotal> totals;
  for (const GgufPackedTensor& tensor : result.tensors) {
    TypeTotal& total = totals[tensor.type];
    ++total.tensors;
    total.bytes += tensor.bytes;
  }
  return totals;
}

}  // namespace

Table gguf_table(const GgufPackResult& result) {
  Table table{"tensors",
              "Tensors",
              {{"name", "tensor"},
               {"shape", "shape"},
               {"dtype", "dtype"},
               {"type", "type"},
               {"choice", "why"},
               {"bytes", "bytes", CellStyle::kInteger}},
              {}};
  for (const GgufPackedTensor& tensor : result.tensors) {
    table.add_row({tensor.info.name, to_string(tensor.info.shape),
                   std::string(tensor.info.type_name()), tensor.type, to_string(tensor.choice),
                   tensor.bytes});
  }
  return table;
}

std::string gguf_summary_text(const GgufPackResult& result) {
  std::string text;
  for (const auto& [type, total] : totals_by_type(result)) {
    text += fmt::format("{}: {} tensors, {}\n", type, total.tensors, format_bytes(total.bytes));
  }
  return text + fmt::format("file: {}\n", format_bytes(result.file_bytes));
}

nlohmann::ordered_json gguf_json(const GgufPackResult& result) {
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  for (const GgufPackedTensor& tensor : result.tensors) {
    tensors.push_back({{"name", tensor.info.name},
                       {"shape", tensor.info.shape},
                       {"dtype", tensor.info.type_name()},
                       {"type", tensor.type},
                       {"choice", to_string(tensor.choice)},
                       {"bytes", tensor.bytes}});
  }
  nlohmann::ordered_json types = nlohmann::ordered_json::object();
  for (const auto& [type, total] : totals_by_type(result)) {
    types[type] = {{"tensors", total.tensors}, {"bytes", total.bytes}};
  }
  return {{"schema", 1},
          {"tensors", std::move(tensors)},
          {"summary", {{"types", std::move(types)}, {"file_bytes", result.file_bytes}}}};
}

}  // namespace narrow
