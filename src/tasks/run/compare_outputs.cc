#include "narrow/compare_outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "narrow/error.h"
#include "tasks/run/array_reader.h"

namespace narrow {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

NetworkRun run_one(const CheckpointReader& reader, std::span<const NamedArray> inputs,
                   const CompareOutputsOptions& options, const RunOptions& run) {
  try {
    RunNetworkOptions run_options;
    run_options.model_name = options.model_name;
    run_options.nodes = options.nodes;
    run_options.execution = options.execution;
    run_options.arithmetic = options.arithmetic;
    return run_network(reader, inputs, run_options, run);
  } catch (const Error& error) {
    const std::string path = reader.location().path.string();
    const std::string sentence = error.what();
    if (error.category() == ErrorCategory::kInterrupted ||
        sentence.find(path) != std::string::npos) {
      throw;
    }
    throw Error(error.category(), fmt::format("{}: {}", path, sentence), error.remedy());
  }
}

std::optional<std::string> first_difference(const CheckpointComparison& comparison) {
  const auto different = std::ranges::find(comparison.tensors, false, &TensorComparison::identical);
  if (different == comparison.tensors.end()) return std::nullopt;
  return different->reference.name;
}

}  // namespace

double OutputComparison::min_sqnr_db() const {
  if (!outputs.same_names()) return -kInfinity;
  double least = kInfinity;
  for (const TensorComparison& output : outputs.tensors) {
    const bool is_number = output.comparable && output.non_finite_differences == 0;
    least = std::min(least, is_number ? output.errors.sqnr_db() : -kInfinity);
  }
  return least;
}

double OutputComparison::max_relative_l2() const {
  return outputs.same_names() ? outputs.max_relative_l2 : kInfinity;
}

OutputComparison compare_outputs(const CheckpointReader& reference, const CheckpointReader& other,
                                 std::span<const NamedArray> inputs,
                                 const CompareOutputsOptions& options, const RunOptions& run) {
  const NetworkRun first = run_one(reference, inputs, options, run);
  const NetworkRun second = run_one(other, inputs, options, run);
  OutputComparison comparison;
  comparison.outputs = compare_checkpoints(ArrayReader(first.outputs), ArrayReader(second.outputs));
  comparison.nodes = compare_checkpoints(ArrayReader(first.nodes), ArrayReader(second.nodes));
  comparison.first_difference = first_difference(comparison.nodes);
  if (!comparison.first_difference) {
    comparison.first_difference = first_difference(comparison.outputs);
  }
  return comparison;
}

}  // namespace narrow
