#include "narrow/run_example.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "data/dataset.h"
#include "narrow/error.h"
#include "narrow/resnet_checkpoints.h"
#include "stream/quantized_size.h"
#include "tasks/example/example_commands.h"
#include "tasks/example/example_training.h"
#include "tasks/example/stored_evaluation.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

constexpr int kMostBits = 32;
constexpr int kFloatBits = 32;
constexpr int kBitsPerByte = 8;

void require_usable(const ExampleOptions& options) {
  const auto in_range = [](int bits) { return bits >= 1 && bits <= kMostBits; };
  if (options.bits.empty() || !std::ranges::all_of(options.bits, in_range)) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the widths must be from 1 to {} bits, and at least one", kMostBits));
  }
}

std::uint64_t float_bytes(const CheckpointReader& reader, const QuantizePlan& plan) {
  std::uint64_t bytes = 0;
  for (const TensorPlan& tensor : plan) bytes += reader.tensors()[tensor.index].byte_size();
  return bytes;
}

// Codes and parameters of what is quantized, and the values of what is copied.
std::uint64_t stored_bytes(const QuantizeResult& result) {
  std::uint64_t bytes = 0;
  for (const TensorResult& tensor : result.tensors) {
    if (!tensor.quantized) {
      bytes += tensor.info.byte_size();
      continue;
    }
    const std::uint64_t bits = packed_code_bits(tensor.scheme, element_count(tensor.info.shape)) +
                               tensor.blocks * block_parameter_bits(tensor.scheme);
    bytes += bits / kBitsPerByte;
  }
  return bytes;
}

class Example {
 public:
  Example(ExampleOptions options, ExampleObserver& observer)
      : options_(std::move(options)), observer_(observer) {}

  ExampleResult run() {
    get_data();
    const fs::path checkpoint = train_network();
    const std::shared_ptr<const CheckpointReader> reader = open_checkpoint(checkpoint);
    add_float_row(*reader);
    for (const int bits : options_.bits) {
      for (const int method : {1, 2}) quantize(*reader, method, bits);
    }
    evaluate();
    result_.options = options_;
    return std::move(result_);
  }

 private:
  [[nodiscard]] fs::path data_directory() const { return options_.directory / "data"; }

  [[nodiscard]] int class_count() const {
    return static_cast<int>(find_dataset_spec(options_.dataset_name).classes.size());
  }

  void get_data() {
    observer_.on_command(ExampleStep::kData, download_command(options_));
    DownloadOptions download_options;
    download_options.name = options_.dataset_name;
    download_options.directory = data_directory();
    download_options.source = options_.data_source;
    download_options.checksum = options_.data_checksum;
    observer_.on_data(download(download_options, observer_.download_observer()));
  }

  fs::path train_network() {
    const Dataset images(data_directory(), find_dataset_spec(options_.dataset_name), "train");
    const TrainOptions training = example_training(options_, images.size());
    options_.steps = static_cast<std::uint64_t>(*training.max_number_of_steps);
    observer_.on_command(ExampleStep::kTrain, train_command(training));
    const TrainResult result = train(training, observer_.train_observer(training));
    observer_.on_trained(result);
    return result.checkpoint;
  }

  void add_float_row(const CheckpointReader& reader) {
    ExampleRow row;
    row.method = "float";
    row.bits = kFloatBits;
    row.checkpoint = reader.location();
    row.stored_bytes =
        float_bytes(reader, resnet_plan(reader, options_.model_name, class_count(), Scheme{}));
    result_.rows.push_back(std::move(row));
  }

  // Cheap enough to be done again in every run, so that it always fits the training's checkpoint.
  void quantize(const CheckpointReader& reader, int method, int bits) {
    observer_.on_command(
        ExampleStep::kQuantize,
        quantizer_command(options_, reader.location().path.string(), class_count(), method, bits));
    Scheme scheme;
    scheme.kind = method == 1 ? SchemeKind::kBin : SchemeKind::kFixedPoint;
    scheme.bits = bits;
    ExampleRow row;
    row.method = to_string(scheme.kind);
    row.bits = bits;
    row.checkpoint = output_location(reader.location(), CheckpointFormat::kTensorFlowV2, "",
                                     result_directory_name(scheme));
    const auto writer = create_checkpoint(row.checkpoint, Overwrite::kYes);
    const QuantizePlan plan = resnet_plan(reader, options_.model_name, class_count(), scheme);
    QuantizeOptions quantize_options;
    quantize_options.threads = options_.threads;
    const QuantizeResult quantized =
        quantize_checkpoint(reader, plan, quantize_options, writer.get(), nullptr);
    writer->finish();
    row.stored_bytes = stored_bytes(quantized);
    row.min_relative_l2 = quantized.summary.min_relative_l2;
    row.mean_relative_l2 = quantized.summary.mean_relative_l2;
    row.max_relative_l2 = quantized.summary.max_relative_l2;
    observer_.on_quantized(row);
    result_.rows.push_back(std::move(row));
  }

  void evaluate() {
    std::vector<std::string> paths;
    std::vector<CheckpointLocation> checkpoints;
    for (const ExampleRow& row : result_.rows) {
      paths.push_back(row.checkpoint.path.string());
      checkpoints.push_back(row.checkpoint);
    }
    observer_.on_command(ExampleStep::kEvaluate, evaluate_command(options_, paths));
    const DatasetSpec& spec = find_dataset_spec(options_.dataset_name);
    const fs::path records = data_directory() / find_split(spec, "test").file_name;
    const std::string fingerprint = evaluation_fingerprint(options_, checkpoints, records);
    const fs::path file = options_.directory / "evaluation.json";
    std::optional<StoredEvaluation> evaluation = load_evaluation(file, fingerprint);
    result_.evaluation_was_stored = evaluation.has_value();
    if (!evaluation) {
      evaluation = evaluate_now(paths);
      store_evaluation(file, fingerprint, *evaluation);
    }
    take(*evaluation);
  }

  [[nodiscard]] StoredEvaluation evaluate_now(const std::vector<std::string>& paths) {
    std::vector<std::shared_ptr<const CheckpointReader>> readers;
    for (const std::string& path : paths) readers.push_back(open_checkpoint(path));
    EvaluateOptions evaluate_options;
    evaluate_options.dataset_name = options_.dataset_name;
    evaluate_options.dataset_dir = data_directory();
    evaluate_options.image_size = options_.image_size;
    evaluate_options.resize_side = options_.image_size;
    evaluate_options.threads = options_.threads;
    return summarize(
        evaluate_checkpoints(readers, evaluate_options, &observer_.evaluate_observer()));
  }

  void take(const StoredEvaluation& evaluation) {
    result_.test_images = evaluation.images;
    result_.classes = evaluation.classes;
    for (std::size_t i = 0; i < result_.rows.size(); ++i) {
      result_.rows[i].accuracy = evaluation.accuracy.at(i);
      result_.rows[i].recall_at_5 = evaluation.recall_at_5.at(i);
      if (i > 0) result_.rows[i].against_float = evaluation.comparisons.at(i - 1);
    }
  }

  ExampleOptions options_;
  ExampleObserver& observer_;
  ExampleResult result_;
};

}  // namespace

ExampleResult run_example(const ExampleOptions& options, ExampleObserver& observer) {
  require_usable(options);
  return Example(options, observer).run();
}

}  // namespace narrow
