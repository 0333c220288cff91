// What every scheme costs in accuracy: quantized copies of one checkpoint, made in
// memory, on the same images in the same passes over the data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "narrow/activation_scheme.h"
#include "narrow/calibrate_network.h"
#include "narrow/channel_axes.h"
#include "narrow/checkpoint.h"
#include "narrow/evaluate.h"
#include "narrow/export.h"
#include "narrow/image_source.h"
#include "narrow/quantize_plan.h"
#include "narrow/run_options.h"
#include "narrow/scheme.h"

namespace narrow {

// One network on the images of the sweep.
struct NetworkScore {
  HitRate accuracy;
  HitRate recall_at_5;
  double mean_loss = 0;
  // The rest compares with the float network and is trivial for that one.
  PairedComparison comparison;
  double agreement = 0;  // images with the same largest logit, of all
  double mean_kl = 0;    // as LogitsComparison has these three, the first being the float network
  double sqnr_db = 0;
  double cosine = 0;
};

struct SweepEvaluation {
  EvaluatedImages images;
  std::string network;  // scope of its variables, or name of the graph
  NetworkScore float_network;
  // What values between operators are in the networks of each scheme; null: numbers.
  std::vector<std::optional<ActivationScheme>> activations = {std::nullopt};
  std::vector<NetworkScore> networks;     // by scheme, and for each by activations
  std::uint64_t images_from_journal = 0;  // images times networks that an earlier run had done
  std::uint64_t passes = 0;               // over the data
  double seconds = 0;
};

struct SweepEvaluationOptions {
  // As in EvaluateOptions. Each image counts at most once.
  std::string model_name = {};
  ImageSource images = {};
  int batch_size = 100;
  std::uint64_t max_num_batches = 0;  // 0: the whole split
  bool use_moving_averages = false;
  NonFinitePolicy non_finite = NonFinitePolicy::kError;
  // Where results are kept as they come, so that a run that is stopped, however hard, is continued
  // by the next one with the same checkpoint, records and options. Empty: nowhere.
  std::filesystem::path journal = {};
  // A journal of something else is replaced instead of being an error.
  bool replace_journal = false;
  // Networks whose weights take more than this together go over the images one pass after another.
  // 0: half of the machine's memory.
  std::uint64_t network_bytes = 0;
  AxisRules axes = {};  // of channels, for schemes that name none
  // Of an ONNX file: each scheme's network once with each of these, in exact integers as the file
  // that quantize_activations makes; null leaves values between operators as they are.
  std::vector<std::optional<ActivationScheme>> activations = {std::nullopt};
  CalibrationImages calibration = {};  // their ranges come from
};

// The positions of the trainable variables of the checkpoint's network, which is what `narrow
// quantizer` quantizes; with `moving_averages` those of their averages; of an ONNX file what is
// selected by itself. `model_name` as in EvaluateOptions. Throws what reading the network throws.
NARROW_EXPORT std::vector<std::size_t> trainable_indices(const CheckpointReader& reader,
                                                         const std::string& model_name,
                                                         bool moving_averages = false);

// Evaluates the float network and, for each scheme, the network with the tensors at `indices`
// quantized and restored, and with quantized activations where the options have some. Results do
// not depend on threads, passes or interruptions. Progress counts every image once a network.
// Throws what evaluate_checkpoints and quantize_checkpoint throw, with activations what
// quantize_activations throws; Error(kExists) for a journal of another sweep.
NARROW_EXPORT SweepEvaluation
evaluate_schemes(const std::shared_ptr<const CheckpointReader>& reader,
                 std::span<const std::size_t> indices, std::span<const Scheme> schemes,
                 const SweepEvaluationOptions& options, const RunOptions& run = {});

}  // namespace narrow
