// Arrays are gathered over the examples, then written one after the other.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "base/file.h"
#include "base/identifiers.h"
#include "base/json_text.h"
#include "base/run_progress.h"
#include "base/staging/staged_output.h"
#include "checkpoint/npz/npy_header.h"
#include "graph/operators.h"
#include "narrow/error.h"
#include "narrow/export_integers.h"
#include "narrow/version.h"
#include "nn/integer/integer_executor.h"
#include "tasks/integers/example_graph.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

constexpr const char* kManifest = "vectors.json";

// An array of integers, and what the manifest says of it.
struct VectorArray {
  std::string name;  // before it is made unique
  DType type = DType::kInt64;
  Shape shape;
  std::vector<std::int64_t> numbers;
  nlohmann::ordered_json about;
};

// The narrowest signed type, or that of codes.
DType type_that_holds(const std::vector<std::int64_t>& numbers) {
  const auto [least, greatest] = std::ranges::minmax(numbers);
  for (const auto& [type, most] : {std::pair(DType::kInt8, std::int64_t{INT8_MAX}),
                                   std::pair(DType::kInt16, std::int64_t{INT16_MAX}),
                                   std::pair(DType::kInt32, std::int64_t{INT32_MAX})}) {
    if (least >= -most - 1 && greatest <= most) return type;
  }
  return DType::kInt64;
}

nlohmann::ordered_json requantization_json(const Requantization& requantization) {
  nlohmann::ordered_json json = {{"mode", to_text(requantization.format().arithmetic)},
                                 {"least", requantization.format().least},
                                 {"greatest", requantization.format().greatest},
                                 {"zero_point", requantization.format().zero}};
  if (!requantization.factors().empty()) json["factors"] = requantization.factors();
  for (const FixedMultiplier& multiplier : requantization.multipliers()) {
    json["multipliers"].push_back(multiplier.multiplier);
    json["shifts"].push_back(multiplier.shift);
  }
  if (!requantization.shifts().empty()) json["shifts"] = requantization.shifts();
  return json;
}

class VectorGatherer {
 public:
  explicit VectorGatherer(const QuantizedGraph& quantized) : quantized_(quantized) {}

  void add(const IntegerExecutor::TracedStep& traced) {
    const QuantizedStep& step = traced.step;
    const Node& node = step.node(quantized_.graph());
    if (step.kind == StepKind::kLinear && !seen_.contains(step.output)) add_stored(step, node);
    seen_.insert(step.output);
    if (traced.sums != nullptr) {
      std::vector<std::int64_t> sums(traced.sums->values.begin(), traced.sums->values.end());
      append(step.output, true, node.name + ".sums", traced.sums->shape, sums, [&] {
        return nlohmann::ordered_json{{"role", "sums"}, {"node", node.name}};
      });
    }
    if (!step.makes_codes) return;
    append(step.output, false, quantized_.graph().value(step.output).name, traced.values.shape,
           traced.values.integers, [&] {
             const IntegerFormat& format = *quantized_.format(step.output);
             nlohmann::ordered_json about = {
                 {"role", step.kind == StepKind::kQuantize ? "input" : "codes"},
                 {"node", node.name},
                 {"operator", operator_of(node).name},
                 {"scale", format.scale},
                 {"zero_point", format.zero},
                 {"type", to_string(format.type)}};
             for (const ValueId id : step.inputs) {
               about["from"].push_back(quantized_.graph().value(id).name);
             }
             return about;
           });
  }

  [[nodiscard]] std::vector<VectorArray> arrays() {
    std::vector<VectorArray> all = std::move(stored_);
    for (const auto& key : order_) all.push_back(std::move(gathered_.at(key)));
    for (VectorArray& array : all) {
      const bool is_code = array.about.contains("type");
      array.type = is_code ? array.type : type_that_holds(array.numbers);
    }
    return all;
  }

 private:
  using Key = std::pair<ValueId, bool>;

  template <typename About>
  void append(ValueId id, bool is_sums, const std::string& name, const Shape& shape,
              const std::vector<std::int64_t>& numbers, const About& about) {
    const Key key(id, is_sums);
    auto found = gathered_.find(key);
    if (found == gathered_.end()) {
      found = gathered_.emplace(key, VectorArray{name, DType::kInt64, shape, {}, about()}).first;
      if (!is_sums) found->second.type = quantized_.format(id)->type;
      order_.push_back(key);
    } else if (!shape.empty()) {
      found->second.shape.front() += shape.front();  // examples one after the other
    }
    found->second.numbers.insert(found->second.numbers.end(), numbers.begin(), numbers.end());
  }

  void add_stored(const QuantizedStep& step, const Node& node) {
    const IntegerLinear linear(quantized_, step, CodeWidth::kLong);
    const auto channels = static_cast<std::int64_t>(linear.sizes().out_channels);
    const auto taps = static_cast<std::int64_t>(linear.sizes().taps());
    const auto count = static_cast<std::int64_t>(linear.weights().size());
    const Shape shape = {channels, channels == 0 ? 0 : count / (channels * taps), taps};
    nlohmann::ordered_json about = {{"role", "weights"},
                                    {"node", node.name},
                                    {"order", "output channel, input channel of the group, tap"},
                                    {"accumulator_bits", linear.bounds().bits()}};
    if (step.makes_codes) about["requantization"] = requantization_json(linear.requantization());
    stored_.push_back({node.name + ".weights", {}, shape, linear.weights(), about});
    stored_.push_back({node.name + ".biases",
                       {},
                       {channels},
                       linear.biases(),
                       {{"role", "biases"}, {"node", node.name}}});
  }

  const QuantizedGraph& quantized_;
  std::set<ValueId> seen_;
  std::vector<VectorArray> stored_;
  std::map<Key, VectorArray> gathered_;
  std::vector<Key> order_;
};

void write_npy_file(const VectorArray& array, OutputFile& file) {
  file.write(build_npy_header({array.name, array.type, array.shape}));
  file.write(encode_integers(array.type, array.numbers));
  file.finish();
}

// Two's complement of the type's width, one number a line, as Verilog's $readmemh reads it.
void write_mem_file(const VectorArray& array, OutputFile& file) {
  constexpr int kBitsOfByte = 8;
  constexpr int kBitsOfDigit = 4;
  const int bits = static_cast<int>(element_size(array.type)) * kBitsOfByte;
  const std::uint64_t mask = ~std::uint64_t{0} >> (64 - bits);
  std::string text = fmt::format("// {}, {} numbers of {} bits\n", file.path().stem().string(),
                                 array.numbers.size(), bits);
  for (const std::int64_t number : array.numbers) {
    text +=
        fmt::format("{:0{}x}\n", static_cast<std::uint64_t>(number) & mask, bits / kBitsOfDigit);
  }
  file.write(text);
  file.finish();
}

}  // namespace

VectorsExport export_vectors(const CheckpointReader& network, std::span<const NamedArray> inputs,
                             const IntegerExportOptions& options,
                             const std::filesystem::path& directory, Overwrite overwrite,
                             const RunOptions& run) {
  if (inputs.empty()) {
    throw Error(ErrorCategory::kUsage, "test vectors need arrays for the network's inputs");
  }
  check(options.arithmetic);
  const RunnableNetwork runnable(network, "", {});
  const ExampleGraph example = example_graph(runnable, inputs);
  const IntegerExecutor executor(example.graph, runnable.weight_reader(), {run.threads, false},
                                 options.arithmetic);
  VectorGatherer gatherer(executor.quantized());
  VectorsExport result;
  result.examples = example.examples.size();
  for (std::uint64_t i = 0; i < result.examples; ++i) {
    report_progress(run.observer, i, result.examples, ProgressUnit::kSteps);
    executor.trace(example.examples[i],
                   [&](const IntegerExecutor::TracedStep& traced) { gatherer.add(traced); });
  }
  const std::vector<VectorArray> arrays = gatherer.arrays();
  std::vector<std::string> names;
  for (const VectorArray& array : arrays) names.push_back(array.name);
  const std::vector<std::string> identifiers = unique_identifiers(names);
  std::vector<std::string> files = {kManifest};
  nlohmann::ordered_json json = {{"schema", 1},
                                 {"kind", "narrow vectors"},
                                 {"narrow", build_info().version},
                                 {"network", example.graph.name},
                                 {"requantization", to_text(options.arithmetic)},
                                 {"examples", result.examples}};
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const VectorArray& array = arrays[i];
    nlohmann::ordered_json entry = {{"name", array.name},
                                    {"npy", identifiers[i] + ".npy"},
                                    {"mem", identifiers[i] + ".mem"},
                                    {"stored_as", to_string(array.type)},
                                    {"shape", array.shape}};
    entry.update(array.about);
    json["arrays"].push_back(std::move(entry));
    files.push_back(identifiers[i] + ".npy");
    files.push_back(identifiers[i] + ".mem");
    ++result.values;
    result.numbers += array.numbers.size();
  }
  StagedOutput staged(directory, files, overwrite);
  OutputFile manifest(staged.staging_path(kManifest));
  manifest.write(dump_any_json(json, 2) + "\n");
  manifest.finish();
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    OutputFile npy(staged.staging_path(identifiers[i] + ".npy"));
    write_npy_file(arrays[i], npy);
    OutputFile mem(staged.staging_path(identifiers[i] + ".mem"));
    write_mem_file(arrays[i], mem);
  }
  staged.commit();
  result.manifest = directory / kManifest;
  return result;
}

}  // namespace narrow
