// A step on the first rank: tells all ranks the values, lets its own clones compute while the
// others do, takes their gradients, adds those of all clones up in the order of the clones, and
// hands the average to the optimizer.
#include "tasks/training/training_clones.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "base/byte_record.h"
#include "base/parallel.h"
#include "base/ranks.h"

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
  // `first`: is clone 0 where that is of this rank.
  OwnClones(const Dataset& dataset, LoaderOptions loader, const Graph& graph,
            const WeightSource& initial, const TrainingOptions& options, int clones, int threads,
            TrainingNetwork* first)
      : limit_(threads), count_of_all_(static_cast<std::uint64_t>(clones)) {
    const int step = ranks().size();
    const int own = (clones - ranks().rank() + step - 1) / step;
    loader.threads = std::max(1, limit_.threads() / own);
    for (int k = ranks().rank(); k < clones; k += step) {
      Clone& clone = clones_.emplace_back();
      if (k == 0) {
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

  void compute() {
    for (Clone& clone : clones_) {
      clone.loader->next(clone.batch);
      // Dropout is another one for every batch.
      clone.network->set_step(clone.next);
      clone.next += count_of_all_;
    }
    parallel_for(clones_.size(), [&](std::size_t i) {
      Clone& clone = clones_[i];
      clone.loss = clone.network->forward_backward(clone.batch.images, clone.batch.labels);
    });
  }

 private:
  ThreadLimit limit_;
  std::uint64_t count_of_all_;  // clones of all ranks
  std::vector<Clone> clones_;
};

enum class Order : std::uint8_t { kStep, kEnd };

// Loss and gradients of the clones of this rank.
std::vector<std::byte> serialize(const OwnClones& clones) {
  ByteRecord record;
  for (std::size_t i = 0; i < clones.count(); ++i) {
    record.put(clones.at(i).loss);
    for (const TrainedParameter& parameter : clones.at(i).network->parameters()) {
      record.put_bytes(std::as_bytes(parameter.gradients));
    }
  }
  return record.take();
}

std::vector<std::byte> serialize_values(Order order, std::span<const TrainedParameter> parameters) {
  ByteRecord record;
  record.put(order);
  for (const TrainedParameter& parameter : parameters) {
    record.put_bytes(std::as_bytes(parameter.values));
  }
  return record.take();
}

class CloneBatches : public TrainingBatches {
 public:
  CloneBatches(const Dataset& dataset, const LoaderOptions& loader, TrainingNetwork& first,
               const TrainingOptions& options, int clones, int threads)
      : count_(clones),
        own_(dataset, loader, first.graph(), first, options, clones, threads, &first) {}

  StepLoss forward_backward(TrainingNetwork& network, const GradientSink& sink) override {
    if (ranks().size() > 1) {
      std::vector<std::byte> values = serialize_values(Order::kStep, network.parameters());
      ranks().broadcast(values);
    }
    own_.share_values();
    own_.compute();
    std::vector<std::vector<std::byte>> others;
    if (ranks().size() > 1) others = ranks().gather({});
    const StepLoss loss = average(network, others);
    if (!std::isfinite(loss.cross_entropy + loss.auxiliary)) return loss;
    const auto parameters = network.parameters();
    parallel_for(parameters.size(), [&](std::size_t p) {
      sink({p, 0, parameters[p].gradients.size()});
    });
    return loss;
  }

  void finish() override {
    if (ranks().size() == 1) return;
    std::vector<std::byte> end = serialize_values(Order::kEnd, {});
    ranks().broadcast(end);
  }

 private:
  // Into the gradients of the first clone.
  StepLoss average(TrainingNetwork& network, const std::vector<std::vector<std::byte>>& others) {
    StepLoss sum;
    const auto ranks_count = static_cast<std::size_t>(ranks().size());
    std::vector<ByteRecordReader> readers;
    for (const auto& bytes : others) readers.emplace_back(bytes, "the gradients of a rank");
    // Where the gradients of each clone but the first lie.
    std::vector<std::vector<const std::byte*>> gradients;
    for (std::size_t k = 0; k < static_cast<std::size_t>(count_); ++k) {
      const bool is_own = k % ranks_count == 0;
      const Clone* clone = is_own ? &own_.at(k / ranks_count) : nullptr;
      const StepLoss loss = is_own ? clone->loss : readers[k % ranks_count].take<StepLoss>();
      sum.cross_entropy += loss.cross_entropy;
      sum.auxiliary += loss.auxiliary;
      sum.regularization += loss.regularization;
      sum.correct += loss.correct;
      if (k == 0) continue;
      std::vector<const std::byte*>& places = gradients.emplace_back();
      for (std::size_t p = 0; p < network.parameters().size(); ++p) {
        const std::size_t bytes = network.parameters()[p].gradients.size_bytes();
        places.push_back(is_own ? std::as_bytes(clone->network->parameters()[p].gradients).data()
                                : readers[k % ranks_count].take_bytes(bytes).data());
      }
    }
    const auto factor = 1.0F / static_cast<float>(count_);
    parallel_for(network.parameters().size(), [&](std::size_t p) {
      const std::span<float> to = network.parameters()[p].gradients;
      for (const auto& places : gradients) {
        for (std::size_t i = 0; i < to.size(); ++i) {
          to[i] += load_le<float>(places[p] + i * sizeof(float));
        }
      }
      for (float& value : to) value *= factor;
    });
    sum.cross_entropy /= count_;
    sum.auxiliary /= count_;
    sum.regularization /= count_;
    sum.total = sum.cross_entropy + sum.auxiliary + sum.regularization;
    return sum;
  }

  int count_;
  OwnClones own_;
};

// What the first rank says. False: there are no more steps.
bool take_values(std::span<const std::byte> bytes, const OwnClones& clones) {
  ByteRecordReader reader(bytes, "the values of the first rank");
  if (reader.take<Order>() == Order::kEnd) return false;
  for (const TrainedParameter& parameter : clones.parameters()) {
    const auto from = reader.take_bytes(parameter.values.size_bytes());
    std::memcpy(parameter.values.data(), from.data(), from.size());
  }
  return true;
}

}  // namespace

std::unique_ptr<TrainingBatches> clone_batches(const Dataset& dataset, const LoaderOptions& loader,
                                               TrainingNetwork& first,
                                               const TrainingOptions& options, int clones,
                                               int threads) {
  return std::make_unique<CloneBatches>(dataset, loader, first, options, clones, threads);
}

void work_on_clones(const Dataset& dataset, const LoaderOptions& loader, const Graph& graph,
                    const WeightSource& initial, const TrainingOptions& options, int clones,
                    int threads) {
  OwnClones own(dataset, loader, graph, initial, options, clones, threads, nullptr);
  for (std::vector<std::byte> values;;) {
    ranks().broadcast(values);
    if (!take_values(values, own)) return;
    own.share_values();
    own.compute();
    ranks().gather(serialize(own));
  }
}

}  // namespace narrow
