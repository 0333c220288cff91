#include "graph/rules/einsum.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "graph/rules/fact_rules.h"

namespace narrow {
namespace {

// What "..." stands for is written as numbers from here on, the innermost axis having the least.
constexpr int kFirstOfDots = 256;

[[noreturn]] void refuse(const std::string& equation, const std::string& why) {
  refuse_inputs(fmt::format("its equation '{}' {}", equation, why));
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// One label an axis. `rank` counts the axes; `dots` is how many of them "..." stands for.
std::vector<int> labels_of(const std::string& equation, std::string_view term, std::size_t dots) {
  std::vector<int> labels;
  for (std::size_t i = 0; i < term.size(); ++i) {
    if (is_letter(term[i])) {
      labels.push_back(term[i]);
    } else if (term.substr(i, 3) == "...") {
      for (std::size_t k = dots; k-- > 0;) labels.push_back(kFirstOfDots + static_cast<int>(k));
      i += 2;
    } else {
      refuse(equation, fmt::format("has '{}', expected letters", term[i]));
    }
  }
  return labels;
}

std::size_t letters_in(std::string_view term) {
  return static_cast<std::size_t>(std::ranges::count_if(term, is_letter));
}

std::vector<std::string_view> split_terms(std::string_view text) {
  std::vector<std::string_view> terms;
  for (;;) {
    const std::size_t comma = text.find(',');
    terms.push_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return terms;
    text.remove_prefix(comma + 1);
  }
}

// Without an arrow.
std::vector<int> implicit_result(const std::vector<std::vector<int>>& operands) {
  std::map<int, int> counts;
  for (const auto& labels : operands) {
    for (const int label : labels) ++counts[label];
  }
  std::vector<int> result;
  for (auto label = counts.rbegin(); label != counts.rend(); ++label) {
    if (label->first >= kFirstOfDots) result.push_back(label->first);
  }
  for (const auto& [label, count] : counts) {
    if (label < kFirstOfDots && count == 1) result.push_back(label);
  }
  return result;
}

}  // namespace

EinsumPlan plan_einsum(const std::string& equation, const std::vector<std::size_t>& ranks) {
  std::string text = equation;
  std::erase(text, ' ');
  const std::size_t arrow = text.find("->");
  const std::vector<std::string_view> terms = split_terms(std::string_view(text).substr(0, arrow));
  if (terms.size() != ranks.size()) {
    refuse(equation, fmt::format("has {} operands, found {}", terms.size(), ranks.size()));
  }
  std::vector<std::vector<int>> operands;
  std::size_t most_dots = 0;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const bool has_dots = terms[i].find("...") != std::string_view::npos;
    const std::size_t letters = letters_in(terms[i]);
    const std::size_t dots = has_dots && ranks[i] > letters ? ranks[i] - letters : 0;
    operands.push_back(labels_of(equation, terms[i], dots));
    if (operands.back().size() != ranks[i]) {
      refuse(equation, fmt::format("has {} axes for operand {}, found {}", operands.back().size(),
                                   i + 1, ranks[i]));
    }
    most_dots = std::max(most_dots, dots);
  }
  const std::vector<int> result =
      arrow == std::string::npos
          ? implicit_result(operands)
          : labels_of(equation, std::string_view(text).substr(arrow + 2), most_dots);
  std::map<int, std::size_t> numbers;
  for (const int label : result) {
    if (!numbers.emplace(label, numbers.size()).second) {
      refuse(equation, "names an axis of the result twice");
    }
  }
  EinsumPlan plan;
  plan.result_rank = result.size();
  for (const auto& labels : operands) {
    std::vector<std::size_t>& indices = plan.operands.emplace_back();
    for (const int label : labels) {
      indices.push_back(numbers.emplace(label, numbers.size()).first->second);
    }
  }
  plan.index_count = numbers.size();
  const auto is_known = [&](int label) {
    return std::ranges::any_of(operands, [&](const auto& labels) {
      return std::ranges::find(labels, label) != labels.end();
    });
  };
  if (!std::ranges::all_of(result, is_known)) {
    refuse(equation, "has an axis of the result that no operand has");
  }
  return plan;
}

}  // namespace narrow
