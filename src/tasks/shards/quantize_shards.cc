#include "narrow/quantize_shards.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/byte_record.h"
#include "base/exchange.h"
#include "quant/scheme_json.h"
#include "tasks/shards/sharded_result.h"
#include "tasks/shards/tensor_results.h"

namespace narrow {
namespace {

class FileObserver : public ShardObserver<QuantizeObserver> {
 public:
  FileObserver(QuantizeObserver* observer, const ShardPlace& place, std::size_t tensors)
      : ShardObserver(observer, place), tensors_(tensors) {}
  void on_tensor(const TensorResult& result, std::size_t done, std::size_t /*total*/) override {
    if (observer_ != nullptr) observer_->on_tensor(result, place_.first + done, tensors_);
  }

 private:
  std::size_t tensors_;
};

class ShardQuantizer {
 public:
  ShardQuantizer(const CheckpointReader& reader, const QuantizePlan& plan,
                 const QuantizeOptions& options, const RunOptionsFor<QuantizeObserver>& run)
      : reader_(reader), plan_(plan), options_(options), run_(run) {
    for (const TensorPlan& tensor : plan) {
      TensorResult& result = results_.emplace_back();
      result.info = reader.tensors()[tensor.index];
      result.reason = tensor.reason;
    }
  }

  [[nodiscard]] std::vector<TensorInfo> tensors() const {
    std::vector<TensorInfo> tensors;
    for (const TensorResult& result : results_) tensors.push_back(result.info);
    return tensors;
  }

  ShardJob job() {
    ShardJob job;
    job.key.push_back(fmt::format("quantize {} {} {}", static_cast<int>(options_.non_finite),
                                  options_.code_statistics, options_.all_params));
    for (const TensorPlan& tensor : plan_) {
      job.key.push_back(tensor.scheme ? scheme_json(*tensor.scheme).dump()
                                      : fmt::format("{}", static_cast<int>(tensor.reason)));
    }
    job.make = [this](const ShardPlace& place, CheckpointWriter& writer) {
      return make(place, writer);
    };
    job.take = [this](const ShardPlace& place, std::span<const std::byte> notes) {
      take(place, notes);
    };
    return job;
  }

  QuantizeResult result() {
    QuantizeResult result;
    for (const TensorResult& tensor : results_) result.summary.add_tensor(tensor);
    result.tensors = std::move(results_);
    return result;
  }

 private:
  std::vector<std::byte> make(const ShardPlace& place, CheckpointWriter& writer) {
    const auto first = static_cast<std::ptrdiff_t>(place.first);
    const QuantizePlan part(plan_.begin() + first,
                            plan_.begin() + static_cast<std::ptrdiff_t>(place.last));
    FileObserver observer(run_.observer, place, plan_.size());
    QuantizeResult made =
        quantize_checkpoint(reader_, part, options_, writer, {run_.threads, &observer});
    ByteRecord record;
    for (const TensorResult& result : made.tensors) put_result(result, record);
    std::ranges::move(made.tensors, results_.begin() + first);
    return record.take();
  }

  void take(const ShardPlace& place, std::span<const std::byte> notes) {
    ByteRecordReader reader(notes, "the journal");
    for (std::size_t i = place.first; i < place.last; ++i) {
      TensorResult& result = results_[i];
      take_result(reader, result);
      if (!result.quantized || !plan_[i].scheme) continue;
      result.scheme = with_channel_axes(*plan_[i].scheme, result.info, reader_.location().format);
    }
  }

  const CheckpointReader& reader_;
  const QuantizePlan& plan_;
  const QuantizeOptions& options_;
  const RunOptionsFor<QuantizeObserver>& run_;
  std::vector<TensorResult> results_;  // in the order of the plan
};

}  // namespace

QuantizeResult quantize_shards(const CheckpointReader& reader, const QuantizePlan& plan,
                               const QuantizeOptions& options, const CheckpointLocation& output,
                               Overwrite overwrite,
                               const std::map<std::string, std::string>& metadata,
                               const RunOptionsFor<QuantizeObserver>& run) {
  const auto start = std::chrono::steady_clock::now();
  ShardQuantizer quantizer(reader, plan, options, run);
  ShardedResult files(reader, output.path, overwrite, quantizer.tensors(), metadata);
  files.run(quantizer.job(), run.observer);
  QuantizeResult result = quantizer.result();
  if (!exchange().makes_result()) return result;
  try {
    require_quantized(reader, result.summary.quantized, result.summary.copied_by_reason);
  } catch (...) {
    files.discard();
    throw;
  }
  files.finish();
  result.summary.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace narrow
