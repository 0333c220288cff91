#include "tasks/plan/width_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <string_view>
#include <utility>

#include "base/name_pattern.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr int kMaxBits = 32;

void check_pattern(const std::vector<TensorInfo>& tensors, const std::string& pattern,
                   std::string_view rule_name) {
  const auto hit = [&](const TensorInfo& info) { return name_matches(pattern, info.name); };
  if (std::ranges::any_of(tensors, hit)) return;
  throw Error(ErrorCategory::kNotFound,
              fmt::format("{} '{}' matches none of the {} tensors that are quantized", rule_name,
                          pattern, tensors.size()),
              {Remedy::Kind::kInspect});
}

void check_width(int bits, std::string_view rule_name) {
  if (bits >= 1 && bits <= kMaxBits) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{}: a width is 1 to {} bits, not {}", rule_name, kMaxBits, bits));
}

void check_rules(const std::vector<TensorInfo>& tensors, const AllocationRequest& request) {
  const std::pair<const std::vector<WidthRule>*, std::string_view> kinds[] = {
      {&request.fixed, "fixed width"},
      {&request.minimum, "minimum width"},
      {&request.maximum, "maximum width"}};
  for (const auto& [rules, rule_name] : kinds) {
    for (const WidthRule& rule : *rules) {
      check_pattern(tensors, rule.pattern, rule_name);
      check_width(rule.bits, rule_name);
    }
  }
  for (const std::string& pattern : request.same) check_pattern(tensors, pattern, "same width");
  if (request.vector_bits) check_width(*request.vector_bits, "width of vectors");
  for (const int bits : request.widths) check_width(bits, "widths");
  const bool ascends =
      std::ranges::adjacent_find(request.widths, std::greater_equal<>()) == request.widths.end();
  if (request.widths.empty() || !ascends) {
    throw Error(ErrorCategory::kUsage, "the widths of a plan are a list of rising numbers");
  }
}

std::optional<int> first_match(const std::vector<WidthRule>& rules, const std::string& name) {
  for (const WidthRule& rule : rules) {
    if (name_matches(rule.pattern, name)) return rule.bits;
  }
  return std::nullopt;
}

std::vector<int> widths_of(const TensorInfo& info, const AllocationRequest& request) {
  if (const auto fixed = first_match(request.fixed, info.name)) return {*fixed};
  if (request.vector_bits && info.shape.size() <= 1) return {*request.vector_bits};
  const int least = first_match(request.minimum, info.name).value_or(1);
  const int most = first_match(request.maximum, info.name).value_or(kMaxBits);
  std::vector<int> widths;
  std::ranges::copy_if(request.widths, std::back_inserter(widths),
                       [&](int bits) { return bits >= least && bits <= most; });
  if (!widths.empty()) return widths;
  throw Error(ErrorCategory::kUsage,
              fmt::format("no width is left for tensor {}: it has to be at least {} and at most {} "
                          "bits, and the widths are {} to {}",
                          info.name, least, most, request.widths.front(), request.widths.back()));
}

bool may_stay_float(const TensorInfo& info, const AllocationRequest& request) {
  const bool is_free = !request.vector_bits || info.shape.size() > 1;
  return request.may_stay_float && is_free && !first_match(request.fixed, info.name) &&
         !first_match(request.maximum, info.name);
}

// For every tensor the first one that it shares its width with.
std::vector<std::size_t> leaders(const std::vector<TensorInfo>& tensors,
                                 const std::vector<std::string>& patterns) {
  std::vector<std::size_t> leader(tensors.size());
  std::iota(leader.begin(), leader.end(), std::size_t{0});
  for (const std::string& pattern : patterns) {
    std::vector<std::size_t> joined;  // leaders of the tensors that match
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (name_matches(pattern, tensors[i].name)) joined.push_back(leader[i]);
    }
    std::ranges::sort(joined);
    for (std::size_t& l : leader) {
      if (std::ranges::binary_search(joined, l)) l = joined.front();
    }
  }
  return leader;
}

}  // namespace

std::vector<WidthGroup> width_groups(const std::vector<TensorInfo>& tensors,
                                     const AllocationRequest& request) {
  check_rules(tensors, request);
  const std::vector<std::size_t> leader = leaders(tensors, request.same);
  std::vector<WidthGroup> groups;
  std::vector<std::size_t> group_of(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::vector<int> widths = widths_of(tensors[i], request);
    if (leader[i] == i) {
      group_of[i] = groups.size();
      groups.push_back({{i}, widths, may_stay_float(tensors[i], request)});
      continue;
    }
    WidthGroup& group = groups[group_of[leader[i]]];
    group.members.push_back(i);
    group.may_stay_float = group.may_stay_float && may_stay_float(tensors[i], request);
    std::vector<int> common;
    std::ranges::set_intersection(group.widths, widths, std::back_inserter(common));
    if (common.empty()) {
      throw Error(
          ErrorCategory::kUsage,
          fmt::format("tensors {} and {} are to have the same width, but no width is allowed "
                      "for both",
                      tensors[group.members.front()].name, tensors[i].name));
    }
    group.widths = std::move(common);
  }
  return groups;
}

}  // namespace narrow
