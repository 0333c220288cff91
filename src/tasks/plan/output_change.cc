#include "tasks/plan/output_change.h"

#include <utility>

#include "tasks/evaluation/evaluation_metrics.h"

namespace narrow {
namespace {

std::span<const float> logits_of(const GraphArray& array) {
  return {reinterpret_cast<const float*>(array.bytes.data()), array.bytes.size() / sizeof(float)};
}

}  // namespace

std::vector<GraphArray> batch_outputs(const GraphWalk& walk, ValueId value) {
  const GraphWalk::Program program = walk.program({{value}});
  std::vector<GraphArray> outputs;
  for (std::size_t batch = 0; batch < walk.batches(); ++batch) {
    outputs.push_back(std::move(program.run(batch).front()));
  }
  return outputs;
}

double mean_divergence(std::span<const GraphArray> before, std::span<const GraphArray> now,
                       std::size_t classes) {
  double sum = 0;
  std::size_t images = 0;
  for (std::size_t batch = 0; batch < now.size(); ++batch) {
    const std::span<const float> a = logits_of(before[batch]);
    const std::span<const float> b = logits_of(now[batch]);
    for (std::size_t i = 0; i < b.size(); i += classes, ++images) {
      sum += divergence(a.subspan(i, classes), b.subspan(i, classes));
    }
  }
  return sum / static_cast<double>(images);
}

}  // namespace narrow
