#include "methods/rounding/learned_rounding.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include "base/random.h"
#include "nn/training/block_network.h"
#include "nn/training/soft_rounding.h"

namespace narrow {
namespace {

// Chosen on a thin ResNet V1 at 2 bits: a lower rate or strength leaves weights between two codes.
constexpr int kSteps = 1000;
constexpr double kRate = 0.05;
constexpr double kWarmUp = 0.2;  // the share of steps in which nothing is driven to a code yet
constexpr double kStrength = 30;
constexpr double kFirstBeta = 20;
constexpr double kLastBeta = 2;
// Of the outputs of a batch, as far as the numbers of images allow.
constexpr std::size_t kPixelsOfBatch = 1024;
constexpr std::size_t kLeastInBatch = 4;
constexpr std::size_t kMostInBatch = 32;
constexpr std::size_t kHeldBack = 8;  // every so many
constexpr int kMeasuredBatches = 8;
constexpr std::uint64_t kSeed = 0;

// Batches of some of the examples.
class ExampleSampler {
 public:
  ExampleSampler(const BlockExamples& examples, std::vector<std::size_t> chosen, std::size_t batch)
      : examples_(examples),
        chosen_(std::move(chosen)),
        input_size_(examples.inputs.size() / examples.count),
        wanted_size_(examples.wanted.size() / examples.count),
        inputs_(batch * input_size_),
        wanted_(batch * wanted_size_) {}

  // Element `place` of the batch becomes one of the chosen examples; after the last comes the
  // first.
  void put(std::size_t place, std::size_t index) {
    const std::size_t from = chosen_[index % chosen_.size()];
    std::copy_n(examples_.inputs.data() + from * input_size_, input_size_,
                inputs_.data() + place * input_size_);
    std::copy_n(examples_.wanted.data() + from * wanted_size_, wanted_size_,
                wanted_.data() + place * wanted_size_);
  }
  [[nodiscard]] std::size_t size() const { return chosen_.size(); }
  [[nodiscard]] std::span<const float> inputs() const { return inputs_; }
  [[nodiscard]] std::span<const float> wanted() const { return wanted_; }

 private:
  const BlockExamples& examples_;
  std::vector<std::size_t> chosen_;
  std::size_t input_size_;
  std::size_t wanted_size_;
  std::vector<float> inputs_;
  std::vector<float> wanted_;
};

class RoundingLearner {
 public:
  RoundingLearner(const Graph& block, const WeightSource& weights, const BlockExamples& examples,
                  std::vector<RoundedKernel> kernels)
      : name_(block.name), batch_(batch_of(examples)), examples_(examples) {
    for (RoundedKernel& kernel : kernels) {
      names_.push_back(kernel.weights);
      soft_.try_emplace(kernel.weights, std::move(kernel.now), std::move(kernel.other),
                        kernel.exact);
    }
    TrainingOptions options;
    options.batch_size = static_cast<int>(batch_);
    options.height = examples.height;
    options.width = examples.width;
    options.is_trained = [&](const Weight& weight) { return soft_.contains(weight.name); };
    options.effective_values = [&](const Weight& weight, const WeightSource& /*all*/,
                                   std::span<const float> /*own*/, std::span<float> effective) {
      const auto found = soft_.find(weight.name);
      if (found != soft_.end()) found->second.values(effective);
      return found != soft_.end();
    };
    network_ = std::make_unique<BlockNetwork>(block, weights, options);
    for (const TrainedParameter& parameter : network_->parameters()) {
      trained_.push_back(&soft_.at(parameter.weight.name));
    }
  }

  // Whether what was chosen is better.
  bool run() {
    learn();
    ExampleSampler held_back(examples_, chosen(true), batch_);
    const double before = loss(SoftRounding::View::kNow, held_back);
    const double after = loss(SoftRounding::View::kChosen, held_back);
    return after < before;
  }

  [[nodiscard]] std::vector<std::vector<float>> chosen_values() {
    set_view(SoftRounding::View::kChosen);
    std::vector<std::vector<float>> values;
    for (const std::string& name : names_) {
      const SoftRounding& soft = soft_.at(name);
      soft.values(values.emplace_back(soft.size()));
    }
    return values;
  }

 private:
  static std::size_t batch_of(const BlockExamples& examples) {
    const std::size_t wanted =
        std::clamp(kPixelsOfBatch / examples.pixels, kLeastInBatch, kMostInBatch);
    return std::min(wanted, examples.count);
  }
  // Those that are held back, or the others. With few examples all are both.
  [[nodiscard]] std::vector<std::size_t> chosen(bool is_held_back) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < examples_.count; ++i) {
      const bool is_last = i % kHeldBack == kHeldBack - 1;
      if (examples_.count < 2 * kHeldBack || is_last == is_held_back) found.push_back(i);
    }
    return found;
  }
  void set_view(SoftRounding::View view) {
    for (auto& [name, soft] : soft_) soft.set_view(view);
  }

  // The gradients that rounding leaves are what the soft choice is weighed against.
  void calibrate(ExampleSampler& sampler, RandomStream& random) {
    set_view(SoftRounding::View::kNow);
    for (int i = 0; i < kMeasuredBatches; ++i) pass(sampler, random, &SoftRounding::measure);
    for (SoftRounding* soft : trained_) soft->calibrate(kStrength);
  }

  void learn() {
    ExampleSampler sampler(examples_, chosen(false), batch_);
    RandomStream random(kSeed, name_);
    calibrate(sampler, random);
    set_view(SoftRounding::View::kSoft);
    const int warm = static_cast<int>(kWarmUp * kSteps);
    for (int step = 1; step <= kSteps; ++step) {
      const double done = static_cast<double>(step - warm) / (kSteps - warm);
      const double beta = done > 0 ? kFirstBeta + (kLastBeta - kFirstBeta) * done : 0;
      for (SoftRounding* soft : trained_) soft->begin_step(step, kRate, beta);
      pass(sampler, random, &SoftRounding::take);
    }
  }

  // One random batch, whose gradients each of the kernels takes.
  void pass(ExampleSampler& sampler, RandomStream& random,
            void (SoftRounding::*take)(std::size_t, std::span<const float>)) {
    for (std::size_t i = 0; i < batch_; ++i) sampler.put(i, random.below(sampler.size()));
    network_->forward_backward(
        sampler.inputs(), sampler.wanted(), [&](const ParameterPiece& piece) {
          const auto gradients = network_->parameters()[piece.parameter].gradients;
          (trained_[piece.parameter]->*take)(piece.first,
                                             gradients.subspan(piece.first, piece.count));
        });
  }

  double loss(SoftRounding::View view, ExampleSampler& sampler) {
    set_view(view);
    double sum = 0;
    std::size_t batches = 0;
    for (std::size_t first = 0; first < sampler.size(); first += batch_, ++batches) {
      for (std::size_t i = 0; i < batch_; ++i) sampler.put(i, first + i);
      sum += network_->loss(sampler.inputs(), sampler.wanted());
    }
    return sum / static_cast<double>(batches);
  }

  std::string name_;
  std::size_t batch_;
  const BlockExamples& examples_;
  std::vector<std::string> names_;
  std::map<std::string, SoftRounding> soft_;  // by weight
  std::vector<SoftRounding*> trained_;        // by parameter of the network
  std::unique_ptr<BlockNetwork> network_;
};

}  // namespace

std::optional<std::vector<std::vector<float>>> learn_rounding(const Graph& block,
                                                              const WeightSource& weights,
                                                              const BlockExamples& examples,
                                                              std::vector<RoundedKernel> kernels) {
  RoundingLearner learner(block, weights, examples, std::move(kernels));
  if (!learner.run()) return std::nullopt;
  return learner.chosen_values();
}

}  // namespace narrow
