#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/join_some.h"
#include "base/json_text.h"
#include "narrow/error.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/plan.h"
#include "narrow/plan_accuracy.h"
#include "narrow/version.h"
#include "quant/scheme_json.h"
#include "tasks/plan/plan_json.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

constexpr int kSchemaVersion = 1;
constexpr std::string_view kKind = "narrow plan";
// A plan of a hundred thousand tensors is smaller.
constexpr std::uint64_t kMaxPlanBytes = std::uint64_t{32} << 20;
// TensorFlow's limit, the widest of the formats.
constexpr std::size_t kMaxRank = 254;
constexpr std::size_t kMostNamesListed = 5;

// Members of a tensor's object. What is planned is read, what it costs is there to be looked at.
constexpr std::array<std::string_view, 15> kTensorKeys = {
    "name",        "shape",      "scheme",   "bits",   "scaling",
    "granularity", "axis",       "range",    "bytes",  "fraction_bits",
    "signed",      "round_mode", "overflow", "damage", "relative_l2"};

// A text from a file in a sentence.
std::string excerpt(const std::string& text) {
  constexpr std::size_t kLongest = 200;
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
}

[[noreturn]] void refuse(const std::string& file, const std::string& problem) {
  throw Error(ErrorCategory::kCorrupt, fmt::format("the plan {} {}", file, problem));
}

std::string name_of(const ordered_json& tensor, std::size_t position, const std::string& file) {
  if (!tensor.is_object()) refuse(file, fmt::format("has no object as tensor {}", position));
  const auto name = tensor.find("name");
  if (name == tensor.end() || !name->is_string()) {
    refuse(file, fmt::format("gives tensor {} no \"name\"", position));
  }
  return name->get<std::string>();
}

Shape shape_of(const ordered_json& tensor, const std::string& where) {
  const auto member = tensor.find("shape");
  const auto is_dimension = [](const ordered_json& json) {
    return json.is_number_unsigned() &&
           json.get<std::uint64_t>() <=
               static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  };
  if (member == tensor.end() || !member->is_array() || member->size() > kMaxRank ||
      !std::ranges::all_of(*member, is_dimension)) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} has no \"shape\": a list of whole numbers", where));
  }
  Shape shape;
  for (const ordered_json& dimension : *member) shape.push_back(dimension.get<std::int64_t>());
  return shape;
}

PlanEntry entry_of(const ordered_json& tensor, std::size_t position, const std::string& file) {
  PlanEntry entry;
  entry.name = name_of(tensor, position, file);
  const std::string where =
      fmt::format("the plan {} is wrong: tensor {}", file, excerpt(entry.name));
  for (const auto& member : tensor.items()) {
    if (std::ranges::find(kTensorKeys, member.key()) != kTensorKeys.end()) continue;
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} has a member \"{}\", which this version does not know", where,
                            excerpt(member.key())));
  }
  entry.shape = shape_of(tensor, where);
  entry.scheme = parse_scheme_json(tensor, where);
  return entry;
}

ordered_json parse_plan(std::string_view text, const std::string& file) {
  try {
    return parse_json(text);
  } catch (const ordered_json::parse_error& error) {
    refuse(file, fmt::format("is not valid JSON at byte {}", error.byte));
  } catch (const ordered_json::exception&) {  // a number that no type holds
    refuse(file, "holds a number that is too large");
  }
}

void check_header(const ordered_json& json, const std::string& file) {
  if (!json.is_object()) refuse(file, "is no JSON object");
  const auto kind = json.find("kind");
  if (kind == json.end() || *kind != kKind) {
    refuse(file, fmt::format(R"(is no plan: it lacks "kind": "{}")", kKind));
  }
  const auto schema = json.find("schema");
  if (schema == json.end() || *schema != kSchemaVersion) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("the plan {} is not of schema {}, the one this version reads", file,
                            kSchemaVersion));
  }
}

ordered_json planned_json(const TensorInfo& info, const Scheme& scheme) {
  ordered_json json = {{"name", info.name}, {"shape", info.shape}};
  json.update(scheme_json(scheme));
  return json;
}

ordered_json tensor_json(const AllocatedTensor& tensor) {
  ordered_json json = planned_json(tensor.info, tensor.scheme);
  json["bytes"] = tensor.bytes;
  json["damage"] = tensor.damage;
  json["relative_l2"] = tensor.relative_l2;
  return json;
}

ordered_json head_of(const std::string& input, const std::string& digest, std::uint64_t bytes) {
  ordered_json json = {
      {"schema", kSchemaVersion}, {"kind", kKind}, {"narrow", build_info().version}};
  json["input"] = {{"name", input}, {"digest", digest}, {"bytes", bytes}};
  return json;
}

// A line for each tensor can be read, compared and edited.
std::string file_text(const ordered_json& head, const std::vector<ordered_json>& tensors) {
  try {
    std::string text = dump_any_json(head, 2);  // has the name of the input file
    text.resize(text.size() - 2);               // without "\n}"
    std::string lines;
    for (const ordered_json& tensor : tensors) {
      lines += fmt::format("{}\n    {}", lines.empty() ? "" : ",", dump_json(tensor));
    }
    return fmt::format("{},\n  \"tensors\": [{}\n  ]\n}}\n", text, lines);
  } catch (const ordered_json::exception&) {
    throw Error(ErrorCategory::kUnsupported,
                "a tensor's name is not UTF-8, which a plan file cannot hold",
                {Remedy::Kind::kExclude});
  }
}

// Why the checkpoint's tensor does not fit the plan's; empty when it does.
std::string complaint(const PlanEntry& entry, const TensorInfo& found) {
  if (!is_floating_point(found.dtype)) {
    return fmt::format("{} is of type {}, which is not quantized", entry.name, found.type_name());
  }
  if (found.shape == entry.shape) return "";
  return fmt::format("{} has shape {}, in the plan {}", entry.name, to_string(found.shape),
                     to_string(entry.shape));
}

// What is known besides, and the plan's own names of tensors, come before the tensors.
std::string text_of_plan(const BitAllocation& plan, const ordered_json* accuracy) {
  ordered_json json = head_of(plan.input, plan.input_digest, plan.input_bytes);
  json["budget"] = {{"bytes", plan.budget_bytes}, {"quantized_only", plan.quantized_only}};
  json["damage"] = {{"kind", to_string(plan.damage_kind)},
                    {"total", plan.damage},
                    {"lower_bound", plan.lower_bound},
                    {"unit_bytes", plan.unit_bytes}};
  if (plan.image_size > 0) json["damage"]["image_size"] = plan.image_size;
  if (plan.bias_correct) json["damage"]["bias_correct"] = true;
  if (plan.absorb_channel_scales) json["damage"]["absorb_channel_scales"] = true;
  if (plan.measured_images > 0) json["damage"]["images"] = plan.measured_images;
  json["size"] = {{"bytes", plan.bytes()},
                  {"quantized_bytes", plan.quantized_bytes},
                  {"copied_bytes", plan.copied_bytes},
                  {"weights", plan.elements},
                  {"average_bits", plan.average_bits()}};
  if (!plan.activations.empty()) {
    json["size"]["weight_bits"] = plan.weight_bits();
    json["size"]["activation_bits"] = plan.activation_bits();
    json["size"]["activations"] = plan.activation_elements;
    json["activations"] = activations_json(plan.activations);
  }
  if (accuracy != nullptr) json["accuracy"] = *accuracy;
  for (const TensorInfo& info : plan.left_in_float) json["left_in_float"].push_back(info.name);
  std::vector<ordered_json> tensors;
  for (const AllocatedTensor& tensor : plan.tensors) tensors.push_back(tensor_json(tensor));
  return file_text(json, tensors);
}

}  // namespace

std::string plan_file_text(const BitAllocation& plan) { return text_of_plan(plan, nullptr); }

std::string plan_file_text(const AccuracyPlan& plan) {
  const PlanVerification& found = plan.accuracy.verification;
  const Interval& interval = found.plan.comparison.difference_interval;
  const AccuracyGoal& goal = plan.accuracy.goal;
  ordered_json json = {{"images", found.images.images},
                       {"float", found.float_accuracy.value()},
                       {"plan", found.plan.accuracy.value()},
                       {"difference_95", {interval.low, interval.high}}};
  if (goal.max_drop) json["max_drop"] = *goal.max_drop;
  if (goal.min_accuracy) json["min_accuracy"] = *goal.min_accuracy;
  if (goal.is_set()) json["goal_kept"] = found.holds;
  return text_of_plan(plan.plan, &json);
}

std::string plan_file_text(const CheckpointReader& reader, const QuantizePlan& plan) {
  std::uint64_t bytes = 0;
  for (const TensorInfo& info : reader.tensors()) bytes += info.byte_size();
  std::vector<ordered_json> tensors;
  for (const TensorPlan& tensor : plan) {
    if (!tensor.scheme) continue;
    const TensorInfo& info = reader.tensors()[tensor.index];
    tensors.push_back(planned_json(info, *tensor.scheme));
  }
  return file_text(
      head_of(reader.location().path.filename().string(), checkpoint_digest(reader), bytes),
      tensors);
}

nlohmann::ordered_json parse_plan_json(std::string_view json, const std::string& file) {
  ordered_json plan = parse_plan(json, file);
  check_header(plan, file);
  return plan;
}

std::vector<PlanEntry> parse_plan_file(std::string_view json, const std::string& file) {
  const ordered_json plan = parse_plan_json(json, file);
  const auto tensors = plan.find("tensors");
  if (tensors == plan.end() || !tensors->is_array()) refuse(file, "has no list \"tensors\"");
  std::vector<PlanEntry> entries;
  std::set<std::string> names;
  for (const ordered_json& tensor : *tensors) {
    entries.push_back(entry_of(tensor, entries.size(), file));
    if (names.insert(entries.back().name).second) continue;
    refuse(file, fmt::format("has tensor {} twice", excerpt(entries.back().name)));
  }
  return entries;
}

std::string read_plan_text(const std::filesystem::path& path) {
  return read_small_file(path, kMaxPlanBytes);
}

std::vector<PlanEntry> read_plan_file(const std::filesystem::path& path) {
  return parse_plan_file(read_plan_text(path), path.string());
}

QuantizePlan make_plan(const std::vector<PlanEntry>& entries, const CheckpointReader& reader) {
  QuantizePlan plan(reader.tensors().size());
  const std::vector<CopyReason> reasons = natural_copy_reasons(reader.tensors());
  for (std::size_t i = 0; i < plan.size(); ++i) {
    plan[i].index = i;
    plan[i].reason = reasons[i];
  }
  std::vector<std::string> complaints;
  for (const PlanEntry& entry : entries) {
    const auto index = reader.find(entry.name);
    std::string found = index ? complaint(entry, reader.tensors()[*index])
                              : fmt::format("{} is missing", entry.name);
    if (found.empty()) {
      plan[*index].scheme =
          with_channel_axes(entry.scheme, reader.tensors()[*index], reader.location().format);
      plan[*index].reason = CopyReason::kNone;
    } else {
      complaints.push_back(std::move(found));
    }
  }
  if (complaints.empty()) {
    require_quantized(reader, entries.size(), copied_tensors(plan));
    return plan;
  }
  throw Error(
      ErrorCategory::kUsage,
      fmt::format("the plan is for another network than {} holds: {}",
                  reader.location().path.string(), join_some(complaints, kMostNamesListed)));
}

}  // namespace narrow
