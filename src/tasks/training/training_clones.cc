// A step: the clones of every rank compute. Each rank has a share of the parameters: it takes the
// gradients of its share from all clones, while their backward passes go on, adds them up in the
// order of the clones, lets the optimizer change the values by the average, and gives these to the
// others. Slots and moving averages are kept by the rank that has the share, until there is a
// checkpoint to be written.
#include "tasks/training/training_clones.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "base/byte_record.h"
#include "base/bytes.h"
#include "base/parallel.h"
#include "base/ranks.h"
#include "tasks/training/gradient_messages.h"

namespace narrow {
namespace {

// One clone of this rank.
struct Clone {
  TrainingNetwork* network = nullptr;  // owned or the caller's
  std::unique_ptr<TrainingNetwork> owned;
  std::unique_ptr<BatchLoader> loader;
  Batch batch;
  std::uint64_t next = 0;  // of the batches of all clones, the number of its next one
  StepLoss loss;
};

// Clone k is that of rank k % ranks.
class OwnClones {
 public:
  // `first` is the first clone of this rank.
  OwnClones(const Dataset& dataset, LoaderOptions loader, const Graph& graph,
            const WeightSource& initial, const TrainingOptions& options, int clones, int threads,
            TrainingNetwork* first)
      : limit_(threads), count_of_all_(static_cast<std::uint64_t>(clones)) {
    const int step = ranks().size();
    const int own = (clones - ranks().rank() + step - 1) / step;
    loader.threads = std::max(1, limit_.threads() / own);
    for (int k = ranks().rank(); k < clones; k += step) {
      Clone& clone = clones_.emplace_back();
      if (clones_.size() == 1) {
        clone.network = first;
      } else {
        clone.owned = std::make_unique<TrainingNetwork>(graph, initial, options);
        clone.network = clone.owned.get();
      }
      loader.offset = static_cast<std::uint64_t>(k);
      clone.next = loader.first_step * count_of_all_ + loader.offset;
      clone.loader = std::make_unique<BatchLoader>(dataset, loader);
    }
  }

  [[nodiscard]] std::size_t count() const { return clones_.size(); }
  [[nodiscard]] const Clone& at(std::size_t i) const { return clones_[i]; }
  [[nodiscard]] std::size_t count_of_all() const { return count_of_all_; }
  [[nodiscard]] std::span<const TrainedParameter> parameters() const {
    return clones_.front().network->parameters();
  }

  // Gives all clones the values of the first one here.
  void share_values() {
    parallel_for(clones_.size() - 1, [&](std::size_t i) {
      const auto to = clones_[i + 1].network->parameters();
      for (std::size_t p = 0; p < to.size(); ++p) {
        std::ranges::copy(parameters()[p].values, to[p].values.begin());
      }
    });
  }

  // sink_of(i) takes the gradients of clone i of this rank.
  void compute(const std::function<GradientSink(std::size_t)>& sink_of) {
    for (Clone& clone : clones_) {
      clone.loader->next(clone.batch);
      // Dropout is another one for every batch.
      clone.network->set_step(clone.next);
      clone.next += count_of_all_;
    }
    parallel_for(clones_.size(), [&](std::size_t i) {
      Clone& clone = clones_[i];
      clone.loss =
          clone.network->forward_backward(clone.batch.images, clone.batch.labels, sink_of(i));
    });
  }

 private:
  ThreadLimit limit_;
  std::uint64_t count_of_all_;  // clones of all ranks
  std::vector<Clone> clones_;
};

// How many values are passed in one message, and how many are worked on at a time.
constexpr std::size_t kValuesOfMessage = std::size_t{1} << 18;
constexpr std::size_t kValuesAtOnce = std::size_t{1} << 13;
// MPI passes on what has begun when somebody looks, and may give the core away each time.
using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kBetweenPasses{1};

// The pieces of the parameters that a rank has: all parameters one after the other are cut into
// parts of the same number of values.
std::vector<std::vector<ParameterPiece>> cut_into_shares(
    std::span<const TrainedParameter> parameters, std::size_t ranks) {
  std::size_t total = 0;
  for (const TrainedParameter& parameter : parameters) total += parameter.values.size();
  std::vector<std::vector<ParameterPiece>> shares(ranks);
  std::size_t before = 0;
  std::size_t rank = 0;
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const std::size_t size = parameters[p].values.size();
    for (std::size_t first = 0; first < size;) {
      while (before + first >= total * (rank + 1) / ranks) ++rank;
      const std::size_t left = total * (rank + 1) / ranks - before - first;
      const std::size_t count = std::min({size - first, left, kValuesOfMessage});
      shares[rank].push_back({p, first, count});
      first += count;
    }
    before += size;
  }
  return shares;
}

std::size_t values_of(std::span<const ParameterPiece> pieces) {
  std::size_t count = 0;
  for (const ParameterPiece& piece : pieces) count += piece.count;
  return count;
}

class CloneSteps {
 public:
  // `own` has to live as long.
  CloneSteps(OwnClones& own, TrainingState& state)
      : own_(own),
        state_(state),
        ranks_(static_cast<std::size_t>(ranks().size())),
        rank_(static_cast<std::size_t>(ranks().rank())),
        shares_(cut_into_shares(own_.parameters(), ranks_)),
        taken_(own_.count_of_all()) {
    for (std::size_t clone = 0; clone < taken_.size(); ++clone) {
      if (!is_own(clone)) taken_[clone].resize(values_of(shares_[rank_]));
    }
    for (std::size_t first = 0; const ParameterPiece& piece : shares_[rank_]) {
      first_of_piece_.push_back(first);
      first += piece.count;
    }
    for (std::size_t i = 0; i < own_.count() && ranks_ > 1; ++i) {
      messages_.push_back(std::make_unique<GradientMessages>(
          own_.at(i).network->parameters(), shares_, rank_,
          [&](std::size_t piece) { return tag_of(i * ranks_ + rank_, piece); }));
    }
  }
  // After a failure gradients may still be on their way.
  ~CloneSteps() { ranks().drop_begun(); }
  CloneSteps(const CloneSteps&) = delete;
  CloneSteps& operator=(const CloneSteps&) = delete;

  // The loss is that of all clones on the first rank; when it is not a finite number there, no
  // value changes.
  StepLoss take(const GradientSink& sink) {
    own_.share_values();
    compute();
    const StepLoss loss = loss_of_all();
    ranks().finish_begun();
    if (!std::isfinite(loss.cross_entropy + loss.auxiliary)) return loss;
    parallel_for(shares_[rank_].size(), [&](std::size_t piece) { change(piece, sink); });
    exchange_values();
    return loss;
  }

  // To the first rank.
  void collect() {
    std::vector<Outgoing> sent;
    std::vector<Incoming> taken;
    for (std::size_t rank = 1; rank < ranks_; ++rank) {
      for (const ParameterPiece& piece : shares_[rank]) {
        for (const std::span<float> values : state_.companions(piece.parameter)) {
          const std::span<float> part = values.subspan(piece.first, piece.count);
          if (rank == rank_) sent.push_back({0, std::as_bytes(part)});
          if (rank_ == 0) {
            taken.push_back({static_cast<int>(rank), std::as_writable_bytes(part)});
          }
        }
      }
    }
    ranks().exchange(sent, taken);
  }

  [[nodiscard]] const TrainingState& state() const { return state_; }

 private:
  [[nodiscard]] bool is_own(std::size_t clone) const { return clone % ranks_ == rank_; }
  [[nodiscard]] std::span<float> gradients(std::size_t clone, const ParameterPiece& piece) const {
    return own_.at(clone / ranks_)
        .network->parameters()[piece.parameter]
        .gradients.subspan(piece.first, piece.count);
  }

  StepLoss loss_of_all() {
    std::vector<StepLoss> losses;
    for (std::size_t i = 0; i < own_.count(); ++i) losses.push_back(own_.at(i).loss);
    const auto all = ranks().gather(std::as_bytes(std::span(losses)));
    StepLoss sum;
    for (std::size_t clone = 0; clone < own_.count_of_all() && rank_ == 0; ++clone) {
      const std::byte* const from = all[clone % ranks_].data() + clone / ranks_ * sizeof(StepLoss);
      const auto loss = load_le<StepLoss>(from);
      sum.cross_entropy += loss.cross_entropy;
      sum.auxiliary += loss.auxiliary;
      sum.regularization += loss.regularization;
      sum.correct += loss.correct;
    }
    const auto count = static_cast<double>(own_.count_of_all());
    sum.cross_entropy /= count;
    sum.auxiliary /= count;
    sum.regularization /= count;
    sum.total = sum.cross_entropy + sum.auxiliary + sum.regularization;
    return sum;
  }

  // Gradients are passed on as soon as they are there, by this thread, which alone may do that.
  void compute() {
    if (ranks_ > 1) expect_gradients();
    for (const auto& messages : messages_) messages->begin_step();
    const auto this_thread = std::this_thread::get_id();
    Clock::time_point next_pass = Clock::now();
    own_.compute([&](std::size_t i) -> GradientSink {
      if (messages_.empty()) return {};
      return [&, i](const ParameterPiece& piece) {
        messages_[i]->take(piece);
        if (std::this_thread::get_id() == this_thread && Clock::now() >= next_pass) {
          pass_on();
          next_pass = Clock::now() + kBetweenPasses;
        }
      };
    });
    pass_on();
  }

  void pass_on() {
    for (const auto& messages : messages_) {
      const std::vector<Outgoing> ready = messages->ready();
      if (!ready.empty()) ranks().begin(ready, {});
    }
    ranks().advance();
  }

  void expect_gradients() {
    std::vector<Incoming> taken;
    for (std::size_t clone = 0; clone < taken_.size(); ++clone) {
      for (std::size_t i = 0; i < shares_[rank_].size() && !is_own(clone); ++i) {
        const std::span to(taken_[clone].data() + first_of_piece_[i], shares_[rank_][i].count);
        taken.push_back(
            {static_cast<int>(clone % ranks_), std::as_writable_bytes(to), tag_of(clone, i)});
      }
    }
    ranks().begin({}, taken);
  }

  // Of the message with piece `piece` of a share.
  [[nodiscard]] int tag_of(std::size_t clone, std::size_t piece) const {
    return static_cast<int>(1 + clone + piece * taken_.size());
  }

  void exchange_values() {
    const auto values = [&](const ParameterPiece& piece) {
      return own_.parameters()[piece.parameter].values.subspan(piece.first, piece.count);
    };
    std::vector<Outgoing> sent;
    std::vector<Incoming> taken;
    for (std::size_t rank = 0; rank < ranks_; ++rank) {
      if (rank == rank_) continue;
      const int other = static_cast<int>(rank);
      for (const ParameterPiece& piece : shares_[rank_]) {
        sent.push_back({other, std::as_bytes(values(piece))});
      }
      for (const ParameterPiece& piece : shares_[rank]) {
        taken.push_back({other, std::as_writable_bytes(values(piece))});
      }
    }
    ranks().exchange(sent, taken);
  }

  // The average goes into the gradients of the first clone of this rank.
  void change(std::size_t index, const GradientSink& sink) {
    const ParameterPiece& piece = shares_[rank_][index];
    const auto factor = 1.0F / static_cast<float>(taken_.size());
    std::vector<float> sums(std::min(kValuesAtOnce, piece.count));
    for (std::size_t first = 0; first < piece.count; first += kValuesAtOnce) {
      const std::size_t count = std::min(kValuesAtOnce, piece.count - first);
      for (std::size_t clone = 0; clone < taken_.size(); ++clone) {
        const float* const from = (is_own(clone) ? gradients(clone, piece).data()
                                                 : taken_[clone].data() + first_of_piece_[index]) +
                                  first;
        if (clone == 0) {
          std::copy_n(from, count, sums.begin());
        } else {
          for (std::size_t i = 0; i < count; ++i) sums[i] += from[i];
        }
      }
      float* const to = own_.parameters()[piece.parameter].gradients.data() + piece.first + first;
      for (std::size_t i = 0; i < count; ++i) to[i] = sums[i] * factor;
      sink({piece.parameter, piece.first + first, count});
    }
  }

  OwnClones& own_;
  TrainingState& state_;
  std::size_t ranks_;
  std::size_t rank_;
  std::vector<std::vector<ParameterPiece>> shares_;  // by rank
  std::vector<std::vector<float>> taken_;            // gradients of this share, by clone of others
  std::vector<std::size_t> first_of_piece_;          // in those
  std::vector<std::unique_ptr<GradientMessages>> messages_;  // by clone of this rank; alone: none
};

// What the first rank tells the others, with an OptimizerStep.
enum class OrderKind : std::uint8_t { kStep, kCollect, kEnd };

class CloneBatches : public TrainingBatches {
 public:
  CloneBatches(std::unique_ptr<OwnClones> own, TrainingState& state)
      : own_(std::move(own)), steps_(*own_, state) {}

  StepLoss forward_backward(TrainingNetwork& /*network*/, const GradientSink& sink) override {
    tell(OrderKind::kStep);
    return steps_.take(sink);
  }

  void collect() override {
    tell(OrderKind::kCollect);
    steps_.collect();
  }

  void finish() override {
    collect();
    tell(OrderKind::kEnd);
  }

 private:
  void tell(OrderKind kind) {
    ByteRecord order;
    order.put(kind);
    order.put(steps_.state().step());
    std::vector<std::byte> told = order.take();
    ranks().broadcast(told);
  }

  std::unique_ptr<OwnClones> own_;
  CloneSteps steps_;
};

}  // namespace

std::unique_ptr<TrainingBatches> clone_batches(const Dataset& dataset, const LoaderOptions& loader,
                                               TrainingNetwork& first, TrainingState& state,
                                               const TrainingOptions& options, int clones,
                                               int threads) {
  return std::make_unique<CloneBatches>(
      std::make_unique<OwnClones>(dataset, loader, first.graph(), first, options, clones, threads,
                                  &first),
      state);
}

void work_on_clones(const Dataset& dataset, const LoaderOptions& loader, TrainingNetwork& first,
                    TrainingState& state, const TrainingOptions& options, int clones, int threads) {
  OwnClones own(dataset, loader, first.graph(), first, options, clones, threads, &first);
  CloneSteps steps(own, state);
  for (std::vector<std::byte> told;;) {
    ranks().broadcast(told);
    ByteRecordReader order(told, "what the first rank tells");
    const auto kind = order.take<OrderKind>();
    if (kind == OrderKind::kEnd) return;
    if (kind == OrderKind::kCollect) {
      steps.collect();
    } else {
      steps.take(state.sink(order.take<OptimizerStep>()));
    }
  }
}

}  // namespace narrow
