#include "tasks/plan/output_change.h"

#include "tasks/evaluation/evaluation_metrics.h"

namespace narrow {
namespace {

std::span<const float> numbers_of(const GraphArray& array) {
  return {reinterpret_cast<const float*>(array.bytes.data()), array.bytes.size() / sizeof(float)};
}

double mean_divergence(std::span<const GraphArrays> before, std::span<const GraphArrays> now,
                       std::size_t classes) {
  double sum = 0;
  std::size_t examples = 0;
  for (std::size_t batch = 0; batch < now.size(); ++batch) {
    const std::span<const float> a = numbers_of(before[batch].front());
    const std::span<const float> b = numbers_of(now[batch].front());
    for (std::size_t i = 0; i < b.size(); i += classes, ++examples) {
      sum += divergence(a.subspan(i, classes), b.subspan(i, classes));
    }
  }
  return sum / static_cast<double>(examples);
}

double relative_noise(std::span<const GraphArrays> before, std::span<const GraphArrays> now,
                      std::size_t output) {
  double noise = 0;
  double signal = 0;
  for (std::size_t batch = 0; batch < now.size(); ++batch) {
    const std::span<const float> a = numbers_of(before[batch][output]);
    const std::span<const float> b = numbers_of(now[batch][output]);
    for (std::size_t i = 0; i < b.size(); ++i) {
      const double wanted = a[i];
      const double difference = b[i] - wanted;
      noise += difference * difference;
      signal += wanted * wanted;
    }
  }
  return noise > 0 ? noise / signal : noise;  // NaN stays
}

}  // namespace

std::vector<GraphArrays> batch_outputs(const GraphWalk& walk, std::span<const ValueId> values) {
  const GraphWalk::Program program = walk.program(values);
  std::vector<GraphArrays> outputs;
  for (std::size_t batch = 0; batch < walk.batches(); ++batch)
    outputs.push_back(program.run(batch));
  return outputs;
}

double output_change(std::span<const GraphArrays> before, std::span<const GraphArrays> now,
                     std::size_t classes) {
  if (classes > 0) return mean_divergence(before, now, classes);
  double sum = 0;
  const std::size_t outputs = now.empty() ? 0 : now.front().size();
  for (std::size_t output = 0; output < outputs; ++output) {
    sum += relative_noise(before, now, output);
  }
  return sum / static_cast<double>(outputs);
}

}  // namespace narrow
