// TF-Slim's example as one job: get the data, train or fine-tune, quantize with both schemes,
// evaluate. Each step is a job of its own too; nothing is done here that they do not do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "narrow/datasets.h"
#include "narrow/evaluate.h"
#include "narrow/export.h"
#include "narrow/quantize_checkpoint.h"
#include "narrow/run_options.h"
#include "narrow/train.h"

namespace narrow {

struct ExampleOptions {
  std::filesystem::path directory = "narrow-example";  // data/, train/ and the report go into it
  std::string dataset_name = "fashion_mnist";
  std::string data_source = {};    // a mirror or a local archive, as in DownloadOptions::source
  std::string data_checksum = {};  // of that archive
  std::string model_name = "resnet_v1_50";
  // Fine-tune from this checkpoint, without its logits. Empty: from Slim's initial values.
  std::filesystem::path checkpoint_path = {};
  std::vector<int> bits = {8, 6, 4};  // at least one, 1..32
  int image_size = 32;                // height and width that the network sees
  std::uint64_t steps = 0;            // of training; 0: what suits the dataset
  int batch_size = 64;
  std::uint64_t seed = 0;
};

// One line of the table.
struct ExampleRow {
  std::string scheme;  // "float", "bin", "fixed-point"
  int bits = 32;
  CheckpointLocation checkpoint;
  std::uint64_t stored_bytes = 0;  // of the network's variables: codes and parameters
  // Relative L2 error of the trainable variables; 0 for float.
  double min_relative_l2 = 0;
  double mean_relative_l2 = 0;
  double max_relative_l2 = 0;
  HitRate accuracy;
  HitRate recall_at_5;
  std::optional<PairedComparison> against_float;  // nothing for float itself
};

struct ExampleResult {
  ExampleOptions options;  // as used: steps is what was trained
  std::uint64_t test_images = 0;
  std::vector<std::string> classes;
  std::vector<ExampleRow> rows;        // float first, then by bits as given, bin before fixed-point
  bool evaluation_was_stored = false;  // the figures are those of an earlier run
};

// Follows the steps. Progress is in images of the evaluation; download and training have observers
// of their own.
class NARROW_EXPORT ExampleObserver : public Observer {
 public:
  // What begins: a job, and what it is asked for, which lives until the job ends.
  virtual void on_download(const DownloadOptions& /*download*/) {}
  virtual void on_train(const TrainOptions& /*training*/) {}
  virtual void on_quantize(const CheckpointLocation& /*checkpoint*/, int /*class_count*/,
                           const Scheme& /*scheme*/) {}
  virtual void on_evaluate(const std::vector<CheckpointLocation>& /*checkpoints*/,
                           const EvaluateOptions& /*evaluation*/) {}
  // What came of it.
  virtual void on_downloaded(const DownloadOutcome& /*outcome*/) {}
  virtual void on_trained(const TrainResult& /*result*/) {}
  virtual void on_quantized(const ExampleRow& /*row*/) {}
  // Asked for after on_download and on_train; null: nobody follows.
  virtual DownloadObserver* download_observer() { return nullptr; }
  virtual TrainObserver* train_observer() { return nullptr; }
};

// Runs what is left to do: a dataset that is whole, a finished training and an evaluation of the
// same checkpoints are taken as they are, an interrupted training is continued.
// Throws what the jobs throw; Error(kUsage) for options out of range.
NARROW_EXPORT ExampleResult run_example(const ExampleOptions& options,
                                        const RunOptionsFor<ExampleObserver>& run = {});

}  // namespace narrow
