#include "report/copied_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "narrow/float8_weights.h"

namespace narrow {

std::string copied_text(const CopyCounts& counts, const std::string& what) {
  return counts.empty() ? "" : fmt::format("{}: {}\n", what, describe(counts));
}

nlohmann::ordered_json copied_json(const CopyCounts& counts) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [reason, count] : counts) {
    if (reason != CopyReason::kNone) json[std::string(to_string(reason))] = count;
  }
  return json;
}

std::string copied_cell(CopyReason reason, const std::string& what) {
  if (reason == CopyReason::kNone) return what;
  std::string words(to_string(reason));
  std::ranges::replace(words, '_', ' ');
  return fmt::format("{}: {}", what, words);
}

std::string float8_text(const CheckpointReader& reader) {
  const auto summary = float8_summary(reader);
  return summary ? describe(*summary) + "\n" : "";
}

void add_float8(const CheckpointReader& reader, nlohmann::ordered_json& json) {
  const auto summary = float8_summary(reader);
  if (!summary) return;
  json["float8"] = {{"weights", summary->weights},
                    {"scales", summary->scales},
                    {"stored_bytes", summary->stored_bytes},
                    {"restored_bytes", summary->restored_bytes},
                    {"dtype", to_string(summary->dtype)}};
}

}  // namespace narrow
