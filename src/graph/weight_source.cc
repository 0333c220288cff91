#include "graph/weight_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/join_some.h"
#include "graph/layers.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// A source for another network lacks everything: the list ends where more names say no more.
constexpr std::size_t kMostNamesListed = 20;

struct Findings {
  std::vector<std::string> missing;
  std::vector<std::string> unfit;
  std::optional<std::int64_t> class_count;  // of a source made for other classes
};

Findings inspect(const Graph& graph, const WeightSource& source) {
  Findings findings;
  // Its biases are as many as there are classes.
  const std::optional<Layer> output = output_layer(graph);
  for (const Weight& weight : graph.weights) {
    const std::optional<TensorInfo> found = source.find(weight.name);
    if (!found) {
      findings.missing.push_back(weight.name);
    } else if (!is_floating_point(found->dtype) && found->dtype != weight.type) {
      findings.unfit.push_back(fmt::format("{} is of type {}, expected {}", weight.name,
                                           found->type_name(), to_string(weight.type)));
    } else if (found->shape != weight.shape) {
      findings.unfit.push_back(fmt::format("{} has shape {}, expected {}", weight.name,
                                           to_string(found->shape), to_string(weight.shape)));
      if (output && weight.name == output->bias && found->shape.size() == 1) {
        findings.class_count = found->shape[0];
      }
    }
  }
  return findings;
}

}  // namespace

void check_weights(const Graph& graph, const WeightSource& source) {
  const Findings findings = inspect(graph, source);
  if (findings.missing.empty() && findings.unfit.empty()) return;
  std::string sentence = fmt::format("The variables do not fit the network {}:", graph.name);
  if (findings.class_count) {
    sentence += fmt::format(
        " they are for {} classes, expected {} (choose the number of classes the network was "
        "trained for, or leave its logits out);",
        *findings.class_count, class_count(graph));
  }
  if (!findings.missing.empty()) {
    sentence += fmt::format(" {} missing: {};", findings.missing.size(),
                            join_some(findings.missing, kMostNamesListed));
  }
  if (!findings.unfit.empty()) {
    sentence += fmt::format(" {} of another type or shape: {};", findings.unfit.size(),
                            join_some(findings.unfit, kMostNamesListed));
  }
  sentence.back() = '.';
  throw Error(findings.missing.empty() ? ErrorCategory::kUsage : ErrorCategory::kNotFound,
              sentence);
}

}  // namespace narrow
