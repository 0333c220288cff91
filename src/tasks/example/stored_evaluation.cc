#include "tasks/example/stored_evaluation.h"

#include <fmt/format.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/staging/staged_output.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::uint64_t kMostBytes = 1 << 20;
constexpr int kSchema = 1;

// An index names every tensor with the checksum of its values, so its checksum stands for them.
std::string content_of(const CheckpointLocation& checkpoint) {
  fs::path file = checkpoint.path;
  if (checkpoint.format == CheckpointFormat::kTensorFlowV2) file += ".index";
  const std::string bytes = read_small_file(file, std::uint64_t{1} << 30);
  return fmt::format("{}:{:08x}:{}", checkpoint.path.filename().string(),
                     crc32c(std::as_bytes(std::span(bytes))), bytes.size());
}

ordered_json to_json(const HitRate& rate) {
  return {rate.hits, rate.images, rate.interval.low, rate.interval.high};
}

HitRate hit_rate_from(const ordered_json& json) {
  return {json.at(0).get<std::uint64_t>(),
          json.at(1).get<std::uint64_t>(),
          {json.at(2).get<double>(), json.at(3).get<double>()}};
}

ordered_json to_json(const PairedComparison& c) {
  return {c.only_first_correct,
          c.only_other_correct,
          c.same_argmax,
          c.mcnemar_p,
          c.difference,
          c.difference_interval.low,
          c.difference_interval.high};
}

PairedComparison comparison_from(const ordered_json& json) {
  return {json.at(0).get<std::uint64_t>(), json.at(1).get<std::uint64_t>(),
          json.at(2).get<std::uint64_t>(), json.at(3).get<double>(),
          json.at(4).get<double>(),        {json.at(5).get<double>(), json.at(6).get<double>()}};
}

StoredEvaluation parse(const ordered_json& json) {
  StoredEvaluation evaluation;
  evaluation.images = json.at("images").get<std::uint64_t>();
  evaluation.classes = json.at("classes").get<std::vector<std::string>>();
  for (const ordered_json& rate : json.at("accuracy")) {
    evaluation.accuracy.push_back(hit_rate_from(rate));
  }
  for (const ordered_json& rate : json.at("recall_at_5")) {
    evaluation.recall_at_5.push_back(hit_rate_from(rate));
  }
  for (const ordered_json& comparison : json.at("comparisons")) {
    evaluation.comparisons.push_back(comparison_from(comparison));
  }
  return evaluation;
}

}  // namespace

std::string evaluation_fingerprint(const ExampleOptions& options,
                                   const std::vector<CheckpointLocation>& checkpoints,
                                   const fs::path& records) {
  std::string text = fmt::format("{} {} {} {}", options.dataset_name, options.image_size,
                                 records.filename().string(), fs::file_size(records));
  for (const CheckpointLocation& checkpoint : checkpoints) text += " " + content_of(checkpoint);
  return text;
}

StoredEvaluation summarize(const EvaluateResult& result) {
  StoredEvaluation evaluation;
  evaluation.images = result.images;
  evaluation.classes = result.classes;
  evaluation.comparisons = result.comparisons;
  for (const Evaluation& one : result.evaluations) {
    evaluation.accuracy.push_back(one.accuracy);
    evaluation.recall_at_5.push_back(one.recall_at_5);
  }
  return evaluation;
}

std::optional<StoredEvaluation> load_evaluation(const fs::path& file,
                                                const std::string& fingerprint) {
  if (!fs::exists(file)) return std::nullopt;
  try {
    const ordered_json json = parse_json(read_small_file(file, kMostBytes));
    if (json.at("schema") != kSchema || json.at("fingerprint") != fingerprint) return std::nullopt;
    return parse(json);
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;  // damaged: evaluated again and replaced
  } catch (const Error&) {
    return std::nullopt;
  }
}

void store_evaluation(const fs::path& file, const std::string& fingerprint,
                      const StoredEvaluation& evaluation) {
  ordered_json json = {{"schema", kSchema},
                       {"fingerprint", fingerprint},
                       {"images", evaluation.images},
                       {"classes", evaluation.classes}};
  for (const HitRate& rate : evaluation.accuracy) json["accuracy"].push_back(to_json(rate));
  for (const HitRate& rate : evaluation.recall_at_5) json["recall_at_5"].push_back(to_json(rate));
  json["comparisons"] = ordered_json::array();
  for (const PairedComparison& comparison : evaluation.comparisons) {
    json["comparisons"].push_back(to_json(comparison));
  }
  const std::string name = file.filename().string();
  StagedOutput staged(file.parent_path(), {name}, Overwrite::kYes);
  OutputFile output(staged.staging_path(name));
  output.write(dump_any_json(json, 1) + "\n");
  output.finish();
  staged.commit();
}

}  // namespace narrow
