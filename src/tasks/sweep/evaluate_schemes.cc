#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "base/byte_record.h"
#include "base/exchange.h"
#include "base/parallel.h"
#include "model/checkpoint_network.h"
#include "model/onnx/onnx_network.h"
#include "narrow/error.h"
#include "narrow/sweep.h"
#include "narrow/sweep_evaluation.h"
#include "nn/instructions/instruction_set.h"
#include "tasks/evaluation/evaluation_metrics.h"
#include "tasks/evaluation/evaluation_pass.h"
#include "tasks/shares/fingerprint.h"
#include "tasks/sweep/sweep_journal.h"
#include "tasks/sweep/sweep_key.h"
#include "tasks/sweep/swept_networks.h"

namespace narrow {
namespace {

// The logits of one network, as far as they are known.
struct NetworkLogits {
  std::uint64_t id = 0;       // in the journal
  std::vector<float> values;  // by slot
  std::vector<char> is_done;  // by slot; not bool: neighbours are written by different threads
};

constexpr std::size_t kNoSlot = ~std::size_t{0};

std::uint64_t half_of_memory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page_bytes = ::sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0) return std::uint64_t{1} << 32;
  return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes) / 2;
}

// How each network of the sweep is evaluated.
EvaluateOptions evaluate_options(const SweepEvaluationOptions& options) {
  return {.model_name = options.model_name,
          .images = options.images,
          .batch_size = options.batch_size,
          .max_num_batches = options.max_num_batches,
          .use_moving_averages = options.use_moving_averages};
}

class SweepRun {
 public:
  SweepRun(const CheckpointReader& reader, std::span<const std::size_t> indices,
           std::span<const Scheme> schemes, const SweepEvaluationOptions& options,
           const RunOptions& run)
      : reader_(reader),
        indices_(indices),
        swept_(reader, indices, schemes, options),
        options_(options),
        run_(run),
        evaluate_(settle(evaluate_options(options), reader)),
        data_(open_evaluation_data(reader, evaluate_)),
        class_count_(static_cast<std::size_t>(data_.class_count())),
        positions_(positions_of(exchange().share(), data_.images)),
        slots_(data_.images, kNoSlot),
        networks_(swept_.size()) {
    // Where the result is made there is room for all images, elsewhere for those of the share.
    const bool has_all = exchange().makes_result();
    const std::size_t slots = has_all ? data_.images : positions_.size();
    for (std::size_t i = 0; i < slots; ++i) slots_[has_all ? i : positions_[i]] = i;
    labels_.resize(slots);
    for (std::size_t i = 0; i < networks_.size(); ++i) {
      networks_[i].id = swept_.id(i);
      networks_[i].values.resize(slots * class_count_);
      networks_[i].is_done.resize(slots);
    }
  }

  SweepEvaluation run() {
    agree_on_instructions();
    const ThreadLimit limit(run_.threads);
    const auto start = std::chrono::steady_clock::now();
    SweepEvaluation result;
    result.activations = options_.activations;
    if (!options_.journal.empty() && exchange().share().count > 0) open_journal();
    result.images_from_journal = images_done_;
    images_done_ = 0;
    for (const NetworkLogits& network : networks_) images_total_ += missing(network).size();
    result.passes = run_passes(limit.threads());
    result.images = describe(data_, evaluate_);
    result.network =
        options_.model_name.empty() ? find_network_scope(reader_) : options_.model_name;
    exchange_logits();
    if (exchange().makes_result()) score(result);
    result.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
  }

 private:
  void open_journal() {
    const std::string key = sweep_key(reader_, indices_, data_, evaluate_);
    const TakeJournalRecord take = [this](const JournalRecord& record) { load(record); };
    const auto path = shared_journal_path(options_.journal, exchange().share().index);
    journal_.emplace(path, key, options_.replace_journal, take);
    // What others have done, now or when there were more of them.
    read_other_journals(options_.journal, path, key, take);
  }

  // A record of this sweep; those of other schemes are left for other runs.
  void load(const JournalRecord& record) {
    if (record.classes != class_count_ || !are_labels(record.labels)) return;
    for (NetworkLogits& network : networks_) {
      if (network.id != record.network) continue;
      keep(network, {0, record.positions, record.labels, record.logits});
    }
  }

  // Of classes that the network has, or -1 for none.
  [[nodiscard]] bool are_labels(std::span<const int> labels) const {
    return std::ranges::all_of(
        labels, [&](int label) { return label >= -1 && std::cmp_less(label, class_count_); });
  }

  // Returns how many images are new.
  std::size_t keep(NetworkLogits& network, const LogitsPart& part) {
    std::size_t added = 0;
    for (std::size_t i = 0; i < part.positions.size(); ++i) {
      const std::uint64_t position = part.positions[i];
      const std::size_t slot = position < data_.images ? slots_[position] : kNoSlot;
      if (slot == kNoSlot || network.is_done[slot] != 0) continue;
      const auto logits = part.logits.subspan(i * class_count_, class_count_);
      std::ranges::copy(logits,
                        network.values.begin() + static_cast<std::ptrdiff_t>(slot * class_count_));
      network.is_done[slot] = 1;
      labels_[slot] = part.labels[i];
      ++added;
    }
    images_done_ += added;
    return added;
  }

  // The positions of this share that have not gone through the network.
  [[nodiscard]] std::vector<std::uint64_t> missing(const NetworkLogits& network) const {
    std::vector<std::uint64_t> positions;
    for (const std::uint64_t position : positions_) {
      if (network.is_done[slots_[position]] == 0) positions.push_back(position);
    }
    return positions;
  }

  // As many networks at once as memory allows. Returns the number of passes over the images.
  std::uint64_t run_passes(int threads) {
    const std::uint64_t budget =
        options_.network_bytes > 0 ? options_.network_bytes : half_of_memory();
    std::uint64_t passes = 0;
    std::vector<EvaluatedNetwork> prepared;
    std::vector<std::size_t> group;
    std::uint64_t bytes = 0;
    std::uint64_t most_bytes = 0;  // of a network so far; those of codes are smaller than others
    const auto run_group = [&] {
      if (group.empty()) return;
      run_pass(prepared, group);
      ++passes;
      prepared.clear();
      group.clear();
      bytes = 0;
    };
    for (std::size_t i = 0; i < networks_.size(); ++i) {
      if (missing(networks_[i]).empty()) continue;
      report(0);
      prepared.push_back(swept_.prepare(i, evaluate_, data_, threads));
      group.push_back(i);
      bytes += prepared.back().network->weight_bytes();
      most_bytes = std::max(most_bytes, prepared.back().network->weight_bytes());
      if (bytes + most_bytes > budget) run_group();
    }
    run_group();
    return passes;
  }

  void run_pass(std::span<const EvaluatedNetwork> prepared, std::span<const std::size_t> group) {
    std::vector<const ImageNetwork*> inference;
    for (const EvaluatedNetwork& one : prepared) inference.push_back(one.network.get());
    std::vector<std::uint64_t> positions;
    for (const std::uint64_t position : positions_) {
      const auto lacks = [&](std::size_t i) { return networks_[i].is_done[slots_[position]] == 0; };
      if (std::ranges::any_of(group, lacks)) positions.push_back(position);
    }
    run_networks(
        data_, inference, positions,
        [&](const LogitsPart& part) {
          NetworkLogits& network = networks_[group[part.network]];
          if (keep(network, part) > 0 && journal_) append(network.id, part);
        },
        [&](std::uint64_t /*images*/) { report(images_done_); });
  }

  void append(std::uint64_t id, const LogitsPart& part) {
    journal_->append({id,
                      static_cast<std::uint32_t>(class_count_),
                      {part.positions.begin(), part.positions.end()},
                      {part.labels.begin(), part.labels.end()},
                      {part.logits.begin(), part.logits.end()}});
  }

  // Puts together what all processes have, one network after the other.
  void exchange_logits() {
    if (exchange().is_alone()) return;
    const ShareKey key = made_once([this] {
      return fmt::format("{} {} {} {} of {} networks", fingerprint(reader_),
                         fingerprint(data_, evaluate_), options_.model_name,
                         options_.use_moving_averages, networks_.size());
    });
    for (std::size_t i = 0; i < networks_.size(); ++i) {
      const auto name = fmt::format("the logits of network {}", i);
      for (const auto& part : exchange().gather(name, key, serialize(networks_[i]))) {
        take_part(networks_[i], part);
      }
      if (exchange().makes_result() && std::ranges::count(networks_[i].is_done, 0) > 0) {
        throw Error(ErrorCategory::kCorrupt,
                    fmt::format("{} are not complete in the parts; make them again", name));
      }
    }
  }

  // What this process has of its share.
  [[nodiscard]] std::vector<std::byte> serialize(const NetworkLogits& network) const {
    ByteRecord record;
    record.put_all(std::span(positions_));
    for (const std::uint64_t position : positions_) {
      record.put(labels_[slots_[position]]);
      record.put_all(logits_at(network, slots_[position]));
    }
    return record.take();
  }

  void take_part(NetworkLogits& network, std::span<const std::byte> part) {
    ByteRecordReader reader(part, "a part of the sweep");
    const auto positions = reader.take_all<std::uint64_t>();
    for (const std::uint64_t position : positions) {
      const auto label = reader.take<int>();
      const auto logits = reader.take_all<float>();
      if (logits.size() != class_count_ || !are_labels({&label, 1})) {
        throw Error(ErrorCategory::kCorrupt, "a part of the sweep is of another network");
      }
      keep(network, {0, {&position, 1}, {&label, 1}, logits});
    }
  }

  // One call at a time.
  void report(std::uint64_t done) const {
    if (run_.observer == nullptr ||
        run_.observer->on_progress(done, images_total_, ProgressUnit::kImages)) {
      return;
    }
    throw Error(ErrorCategory::kInterrupted,
                fmt::format("the sweep was stopped after {} of {} images through networks{}", done,
                            images_total_,
                            journal_ ? "; the same sweep with its journal continues it" : ""));
  }

  // Where the result is made, slots are positions.
  [[nodiscard]] Evaluation evaluation_of(const NetworkLogits& network) const {
    Evaluation evaluation;
    for (std::uint64_t position = 0; position < data_.images; ++position) {
      evaluation.predictions.push_back(
          score_logits(logits_at(network, position), labels_[position], position % data_.size()));
    }
    summarize(evaluation);
    return evaluation;
  }

  [[nodiscard]] std::span<const float> logits_at(const NetworkLogits& network,
                                                 std::size_t slot) const {
    return std::span(network.values).subspan(slot * class_count_, class_count_);
  }

  void score(SweepEvaluation& result) const {
    const Evaluation reference = evaluation_of(networks_.front());
    for (std::size_t i = 0; i < networks_.size(); ++i) {
      const Evaluation evaluation = evaluation_of(networks_[i]);
      const LogitsComparison outputs = compare_logits(networks_.front().values, networks_[i].values,
                                                      class_count_, !data_.classes.empty());
      const NetworkScore score{
          evaluation.accuracy,  evaluation.recall_at_5,
          evaluation.mean_loss, compare_predictions(reference.predictions, evaluation.predictions),
          outputs.agreement,    outputs.mean_kl,
          outputs.sqnr_db,      outputs.cosine};
      (i == 0 ? result.float_network : result.networks.emplace_back()) = score;
    }
  }

  const CheckpointReader& reader_;
  std::span<const std::size_t> indices_;
  SweptNetworks swept_;
  const SweepEvaluationOptions& options_;
  const RunOptions& run_;
  const EvaluateOptions evaluate_;
  EvaluationData data_;
  std::size_t class_count_;
  const std::vector<std::uint64_t> positions_;  // of this share
  std::vector<std::size_t> slots_;              // by position, where its results are kept
  std::vector<NetworkLogits> networks_;
  std::vector<int> labels_;  // by slot; several threads may write the same number
  std::optional<SweepJournal> journal_;
  std::atomic<std::uint64_t> images_done_ = 0;  // through networks
  std::uint64_t images_total_ = 0;
};

}  // namespace

std::vector<std::size_t> trainable_indices(const CheckpointReader& reader,
                                           const std::string& model_name, bool moving_averages) {
  if (is_onnx(reader)) {
    return selected_indices(reader, {.moving_averages = moving_averages});
  }
  const CheckpointVariables variables(reader, moving_averages);
  const std::string scope = model_name.empty() ? find_network_scope(reader) : model_name;
  // Without logits there is one class, and they are not among the tensors found.
  const int classes = checkpoint_class_count(variables, scope).value_or(1);
  const Graph network = network_of_checkpoint(reader, variables, scope, classes);
  std::vector<std::size_t> indices;
  for (const Weight& weight : network.weights) {
    if (!is_trainable(weight.role)) continue;
    const auto found = variables.find(weight.name);
    if (found) indices.push_back(*reader.find(found->name));
  }
  std::ranges::sort(indices);
  return indices;
}

SweepEvaluation evaluate_schemes(const std::shared_ptr<const CheckpointReader>& reader,
                                 std::span<const std::size_t> indices,
                                 std::span<const Scheme> schemes,
                                 const SweepEvaluationOptions& options, const RunOptions& run) {
  return SweepRun(*reader, indices, schemes, options, run).run();
}

}  // namespace narrow
