// How well networks classify: accuracy, recall@5 and loss of ResNet V1 checkpoints and ONNX files
// on labelled images, counted as TF-Slim's eval_image_classifier.py counts them (tensorflow/models,
// research/slim), and compared image by image.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/execution.h"
#include "narrow/export.h"
#include "narrow/image_source.h"
#include "narrow/integer_arithmetic.h"
#include "narrow/run_options.h"

namespace narrow {

struct EvaluateOptions {
  // One of model_names() (narrow/model.h), which must have exactly the variables of that network;
  // any other name is the scope of a ResNet V1 whose units and depths are taken from the
  // checkpoint. An ONNX file has its graph's name for that. Empty: the one network that the
  // checkpoint has.
  std::string model_name = {};
  ImageSource images = {};
  int batch_size = 100;
  std::uint64_t max_num_batches = 0;  // 0: the whole split
  // Fill the last batch with images from the start of the file, which then count twice, as Slim
  // does. Otherwise each image counts at most once.
  bool slim_batches = false;
  bool use_moving_averages = false;  // read NAME/ExponentialMovingAverage for every variable NAME
  Execution execution = Execution::kDefault;  // of ONNX files
  IntegerArithmetic arithmetic = {};          // of Execution::kInteger
};

// How many classes a prediction ranks; fewer when the network has fewer.
constexpr std::size_t kRankedClasses = 5;

struct Prediction {
  std::uint64_t record = 0;  // of the dataset's file, from 0
  int label = 0;             // -1 where there are no labels, as are the numbers about it
  int argmax = 0;            // the largest logit, the lowest index among equal ones
  bool is_in_top_5 = false;  // fewer than 5 logits are larger than the label's, all are finite
  double cross_entropy = 0;  // -ln of the label's probability
  float label_probability = 0;
  int ranked = 0;                                // valid entries of the two arrays below
  std::array<int, kRankedClasses> classes = {};  // by descending logit, then index
  std::array<float, kRankedClasses> probabilities = {};

  [[nodiscard]] bool is_correct() const { return argmax == label; }
};

struct Interval {
  double low = 0;
  double high = 0;
};

// `hits` of `images`, and where the rate of all images like these lies with 95 % confidence
// (Wilson, "Probable inference, the law of succession, and statistical inference", 1927).
struct NARROW_EXPORT HitRate {
  std::uint64_t hits = 0;
  std::uint64_t images = 0;
  Interval interval;

  [[nodiscard]] double value() const;
  // Slim's figure: the quotient of two float32 numbers.
  [[nodiscard]] float slim_value() const;
};

struct NARROW_EXPORT Evaluation {
  CheckpointLocation checkpoint;
  std::string network;                      // scope of its variables, or name of the graph
  Execution execution = Execution::kFloat;  // not kDefault
  IntegerArithmetic arithmetic = {};        // of Execution::kInteger
  std::optional<std::int64_t> global_step;  // when the checkpoint has one
  // The checkpoint looks as if its variables had been quantized where its moving averages were
  // evaluated, or the other way round.
  bool quantized_part_is_not_evaluated = false;
  HitRate accuracy;
  HitRate recall_at_5;
  double mean_loss = 0;                 // of the cross entropies, natural logarithm
  std::vector<Prediction> predictions;  // in the order in which images were counted

  // [label][argmax], numbers of images.
  [[nodiscard]] std::vector<std::vector<std::uint64_t>> confusion(std::size_t class_count) const;
};

// The same images under two checkpoints.
struct PairedComparison {
  std::uint64_t only_first_correct = 0;
  std::uint64_t only_other_correct = 0;
  std::uint64_t same_argmax = 0;
  // Two-sided exact test that both discordant kinds are equally likely (McNemar, "Note on the
  // sampling error of the difference between correlated proportions or percentages", 1947).
  double mcnemar_p = 1;
  // Accuracy of the other less that of the first, with its adjusted Wald interval at 95 % (Bonett
  // and Price, "Adjusted Wald Confidence Interval for a Difference of Binomial Proportions Based on
  // Paired Data", 2012).
  double difference = 0;
  Interval difference_interval;
};

// What two networks gave for the same examples, p and q the logits of the first and the other.
struct LogitsComparison {
  double agreement = 0;  // examples with the same largest logit, of all; NaN without classes
  // 10 log10 of sum p^2 / sum (p - q)^2 over all examples and classes: infinite when they are
  // equal.
  double sqnr_db = 0;
  double cosine = 0;  // sum p q / sqrt(sum p^2 sum q^2)
  // Mean over the examples of the divergence of the other's probabilities from the first's, in nats
  // (Kullback and Leibler, "On Information and Sufficiency", 1951). NaN when a logit is not finite,
  // and without classes.
  double mean_kl = 0;
};

// Which images were evaluated, and how they were preprocessed.
struct EvaluatedImages {
  std::filesystem::path records;  // the file, or the folder or table of pictures
  bool has_labels = true;         // arrays need not have any
  bool has_classes = true;        // a network that takes arrays need not have an output for them
  std::string dataset_name;
  std::string split_name;
  std::vector<std::string> classes;  // names, by label
  std::uint64_t records_in_file = 0;
  std::uint64_t images = 0;   // counted; more than the file has when Slim's batches wrap
  std::string preprocessing;  // "vgg", "cifarnet", "imagenet"; "none" for arrays
  int image_size = 0;
  int resize_side = 0;  // 0 where the image is not cropped
  // What is not as preprocessing and decoder have it by themselves: "letterbox, mean 127,127,127";
  // empty when nothing is.
  std::string changes;
};

struct NARROW_EXPORT EvaluateResult : EvaluatedImages {
  std::vector<Evaluation> evaluations;        // one a checkpoint, in the order given
  std::vector<PairedComparison> comparisons;  // of every further one with the first
  std::vector<LogitsComparison> outputs;      // the same where the examples are arrays
  double preparation_seconds = 0;             // reading and compiling the networks
  double seconds = 0;                         // the pass over the images, reading included

  [[nodiscard]] double images_per_second() const;
};

// Evaluates every checkpoint in one pass over the images, each of which is read and preprocessed
// once. Every number of threads gives the same result. The logits of an ONNX file are its first
// output of float32[N, classes], before a softmax if that ends with one. Examples that are arrays
// may be for a network that takes anything; without such an output all outputs of real numbers are
// compared. Progress is in images that
// have gone through every network. Throws Error: kUsage for options out of range or no checkpoint,
// or another number of classes; kUnsupported for an ONNX file that does not classify images or has
// an operator that is not computed; kNotFound for a dataset or checkpoint that is not there; what
// is wrong with a checkpoint's variables, all of it, naming the checkpoint; the record that is
// damaged; kInterrupted.
NARROW_EXPORT EvaluateResult
evaluate_checkpoints(std::span<const std::shared_ptr<const CheckpointReader>> checkpoints,
                     const EvaluateOptions& options, const RunOptions& run = {});

// Writes the scalars eval/Accuracy and eval/Recall_5 of every checkpoint at its global_step for
// TensorBoard: into `directory` itself for one checkpoint, into DIRECTORY/N-NAME for several, of
// which each is a run of its own. Returns the files. Throws Error: kIo; kUsage without labels.
NARROW_EXPORT std::vector<std::filesystem::path> write_evaluation_events(
    const std::filesystem::path& directory, const EvaluateResult& result);

}  // namespace narrow
