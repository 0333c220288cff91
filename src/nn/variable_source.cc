#include "nn/variable_source.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "narrow/error.h"

namespace narrow {
namespace {

// A source for another network lacks everything: the list ends where it stops to tell more.
constexpr std::size_t kMostNamesListed = 20;

std::string listing(const std::vector<std::string>& items) {
  const std::size_t shown = std::min(items.size(), kMostNamesListed);
  std::string text = fmt::format("{}", fmt::join(items.begin(), items.begin() + shown, "; "));
  if (shown < items.size()) text += fmt::format("; and {} more", items.size() - shown);
  return text;
}

struct Findings {
  std::vector<std::string> missing;
  std::vector<std::string> unfit;
  std::optional<std::int64_t> class_count;  // of a source made for other classes
};

Findings inspect(const ResnetV1& network, const VariableSource& source) {
  Findings findings;
  for (const ModelVariable& variable : network.variables()) {
    const std::optional<TensorInfo> found = source.find(variable.name);
    if (!found) {
      findings.missing.push_back(variable.name);
    } else if (!is_floating_point(found->dtype)) {
      findings.unfit.push_back(
          fmt::format("{} is of type {}, expected float32", variable.name, found->type_name()));
    } else if (found->shape != variable.shape) {
      findings.unfit.push_back(fmt::format("{} has shape {}, expected {}", variable.name,
                                           to_string(found->shape), to_string(variable.shape)));
      if (variable.kind == VariableKind::kLogitsBiases && found->shape.size() == 1) {
        findings.class_count = found->shape[0];
      }
    }
  }
  return findings;
}

}  // namespace

void check_variables(const ResnetV1& network, const VariableSource& source) {
  const Findings findings = inspect(network, source);
  if (findings.missing.empty() && findings.unfit.empty()) return;
  std::string sentence = fmt::format("The variables do not fit the network {}:", network.name);
  if (findings.class_count) {
    sentence += fmt::format(
        " they are for {} classes, expected {} (choose the number of classes the network was "
        "trained for, or leave its logits out);",
        *findings.class_count, network.class_count);
  }
  if (!findings.missing.empty()) {
    sentence += fmt::format(" {} missing: {};", findings.missing.size(), listing(findings.missing));
  }
  if (!findings.unfit.empty()) {
    sentence += fmt::format(" {} of another type or shape: {};", findings.unfit.size(),
                            listing(findings.unfit));
  }
  sentence.back() = '.';
  throw Error(findings.missing.empty() ? ErrorCategory::kUsage : ErrorCategory::kNotFound,
              sentence);
}

}  // namespace narrow
