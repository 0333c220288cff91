#include "narrow/run_example.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "data/dataset.h"
#include "narrow/error.h"
#include "narrow/model.h"
#include "stream/quantized_size.h"
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

// Beside the checkpoint of the training.
CheckpointLocation quantized_location(const CheckpointLocation& input, const Scheme& scheme) {
  const fs::path directory = fmt::format("{}_{}bits", to_string(scheme.kind), scheme.bits);
  return {CheckpointFormat::kTensorFlowV2,
          input.path.parent_path() / directory / input.path.filename()};
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
  Example(ExampleOptions options, int threads, ExampleObserver& observer)
      : options_(std::move(options)), threads_(threads), observer_(observer) {}

  ExampleResult run() {
    get_data();
    const fs::path checkpoint = train_network();
    const std::shared_ptr<const CheckpointReader> reader = open_checkpoint(checkpoint);
    add_float_row(*reader);
    for (const int bits : options_.bits) {
      for (const auto kind : {SchemeKind::kBin, SchemeKind::kFixedPoint}) {
        quantize(*reader, kind, bits);
      }
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
    DownloadOptions download_options;
    download_options.name = options_.dataset_name;
    download_options.directory = data_directory();
    download_options.source = options_.data_source;
    download_options.checksum = options_.data_checksum;
    observer_.on_download(download_options);
    observer_.on_downloaded(download(download_options, {threads_, observer_.download_observer()}));
  }

  fs::path train_network() {
    const Dataset images(data_directory(), find_dataset_spec(options_.dataset_name), "train");
    const TrainOptions training = example_training(options_, images.size());
    options_.steps = static_cast<std::uint64_t>(*training.max_number_of_steps);
    observer_.on_train(training);
    const TrainResult result = train(training, {threads_, observer_.train_observer()});
    observer_.on_trained(result);
    return result.checkpoint;
  }

  void add_float_row(const CheckpointReader& reader) {
    ExampleRow row;
    row.scheme = "float";
    row.bits = kFloatBits;
    row.checkpoint = reader.location();
    row.stored_bytes =
        float_bytes(reader, resnet_plan(reader, options_.model_name, class_count(), Scheme{}));
    result_.rows.push_back(std::move(row));
  }

  // Cheap enough to be done again in every run, so that it always fits the training's checkpoint.
  void quantize(const CheckpointReader& reader, SchemeKind kind, int bits) {
    Scheme scheme;
    scheme.kind = kind;
    scheme.bits = bits;
    observer_.on_quantize(reader.location(), class_count(), scheme);
    ExampleRow row;
    row.scheme = to_string(scheme.kind);
    row.bits = bits;
    row.checkpoint = quantized_location(reader.location(), scheme);
    const auto writer = create_checkpoint(row.checkpoint, Overwrite::kYes);
    const QuantizePlan plan = resnet_plan(reader, options_.model_name, class_count(), scheme);
    const QuantizeResult quantized =
        quantize_checkpoint(reader, plan, {}, *writer, {.threads = threads_});
    writer->finish();
    row.stored_bytes = stored_bytes(quantized);
    row.min_relative_l2 = quantized.summary.min_relative_l2;
    row.mean_relative_l2 = quantized.summary.mean_relative_l2;
    row.max_relative_l2 = quantized.summary.max_relative_l2;
    observer_.on_quantized(row);
    result_.rows.push_back(std::move(row));
  }

  void evaluate() {
    std::vector<CheckpointLocation> checkpoints;
    for (const ExampleRow& row : result_.rows) checkpoints.push_back(row.checkpoint);
    EvaluateOptions evaluation_options;
    evaluation_options.images.dataset_name = options_.dataset_name;
    evaluation_options.images.dataset_dir = data_directory();
    evaluation_options.images.image_size = options_.image_size;
    evaluation_options.images.resize_side = options_.image_size;
    observer_.on_evaluate(checkpoints, evaluation_options);
    const DatasetSpec& spec = find_dataset_spec(options_.dataset_name);
    const fs::path records = data_directory() / find_split(spec, "test").file_name;
    const std::string fingerprint = evaluation_fingerprint(options_, checkpoints, records);
    const fs::path file = options_.directory / "evaluation.json";
    std::optional<StoredEvaluation> evaluation = load_evaluation(file, fingerprint);
    result_.evaluation_was_stored = evaluation.has_value();
    if (!evaluation) {
      evaluation = evaluate_now(checkpoints, evaluation_options);
      store_evaluation(file, fingerprint, *evaluation);
    }
    take(*evaluation);
  }

  [[nodiscard]] StoredEvaluation evaluate_now(const std::vector<CheckpointLocation>& checkpoints,
                                              const EvaluateOptions& options) {
    std::vector<std::shared_ptr<const CheckpointReader>> readers;
    for (const CheckpointLocation& checkpoint : checkpoints) {
      readers.push_back(open_checkpoint(checkpoint.path.string()));
    }
    return summarize(evaluate_checkpoints(readers, options, {threads_, &observer_}));
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
  int threads_;
  ExampleObserver& observer_;
  ExampleResult result_;
};

}  // namespace

ExampleResult run_example(const ExampleOptions& options,
                          const RunOptionsFor<ExampleObserver>& run) {
  require_usable(options);
  ExampleObserver silent;
  return Example(options, run.threads, run.observer != nullptr ? *run.observer : silent).run();
}

}  // namespace narrow
