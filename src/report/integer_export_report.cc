#include "report/integer_export_report.h"

#include <string>
#include <vector>

namespace narrow {
namespace {

using nlohmann::ordered_json;

ordered_json c_arrays_json(const std::vector<CArray>& arrays) {
  ordered_json json = ordered_json::array();
  for (const CArray& array : arrays) {
    json.push_back({{"value", array.value},
                    {"parameter", array.parameter},
                    {"type", array.c_type},
                    {"shape", array.shape}});
  }
  return json;
}

}  // namespace

ordered_json c_network_json(const CNetworkExport& made, const IntegerArithmetic& arithmetic) {
  std::vector<std::string> files;
  for (const auto& file : made.files) files.push_back(file.string());
  return {{"schema", 1},
          {"name", made.name},
          {"requantization", to_text(arithmetic)},
          {"files", files},
          {"inputs", c_arrays_json(made.inputs)},
          {"outputs", c_arrays_json(made.outputs)},
          {"before", made.before},
          {"after", made.after},
          {"weight_bytes", made.weight_bytes},
          {"constant_bytes", made.constant_bytes},
          {"memory_bytes", made.memory_bytes},
          {"multiply_adds", made.multiply_adds},
          {"tested_examples", made.tested_examples}};
}

ordered_json vectors_json(const VectorsExport& made) {
  return {{"schema", 1},
          {"manifest", made.manifest.string()},
          {"examples", made.examples},
          {"arrays", made.values},
          {"numbers", made.numbers}};
}

}  // namespace narrow
