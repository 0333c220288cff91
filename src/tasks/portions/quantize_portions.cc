#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/byte_record.h"
#include "base/exchange.h"
#include "narrow/portions.h"
#include "quant/scheme_json.h"
#include "tasks/portions/sectioned_result.h"
#include "tasks/portions/tensor_results.h"

namespace narrow {
namespace {

class QuantizeRunObserver : public RunObserver<QuantizeObserver> {
 public:
  QuantizeRunObserver(QuantizeObserver* observer, const PortionRun& run, std::size_t tensors,
                      const NoteTensor& note)
      : RunObserver(observer, run), tensors_(tensors), note_(note) {}
  void on_tensor(const TensorResult& result, std::size_t done, std::size_t /*total*/) override {
    ByteRecord record;
    put_result(result, record);
    note_(run_.first + done - 1, record.bytes());
    if (observer_ != nullptr) observer_->on_tensor(result, run_.first + done, tensors_);
  }

 private:
  std::size_t tensors_;
  const NoteTensor& note_;
};

class PortionQuantizer {
 public:
  PortionQuantizer(const CheckpointReader& reader, const QuantizePlan& plan,
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

  SectionJob job() {
    SectionJob job;
    job.key.push_back(fmt::format("quantize {} {} {}", static_cast<int>(options_.non_finite),
                                  options_.code_statistics, options_.all_params));
    for (const TensorPlan& tensor : plan_) {
      job.key.push_back(tensor.scheme ? scheme_json(*tensor.scheme).dump()
                                      : fmt::format("{}", static_cast<int>(tensor.reason)));
    }
    job.make = [this](const PortionRun& part, CheckpointWriter& writer, const NoteTensor& note) {
      make(part, writer, note);
    };
    job.take = [this](std::size_t tensor, std::span<const std::byte> notes) {
      take(tensor, notes);
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
  void make(const PortionRun& run, CheckpointWriter& writer, const NoteTensor& note) {
    const auto first = static_cast<std::ptrdiff_t>(run.first);
    const QuantizePlan part(plan_.begin() + first,
                            plan_.begin() + static_cast<std::ptrdiff_t>(run.last));
    QuantizeRunObserver observer(run_.observer, run, plan_.size(), note);
    QuantizeResult made =
        quantize_checkpoint(reader_, part, options_, writer, {run_.threads, &observer});
    std::ranges::move(made.tensors, results_.begin() + first);
  }

  void take(std::size_t tensor, std::span<const std::byte> notes) {
    ByteRecordReader reader(notes, "the journal");
    TensorResult& result = results_[tensor];
    take_result(reader, result);
    if (!result.quantized || !plan_[tensor].scheme) return;
    result.scheme =
        with_channel_axes(*plan_[tensor].scheme, result.info, reader_.location().format);
  }

  const CheckpointReader& reader_;
  const QuantizePlan& plan_;
  const QuantizeOptions& options_;
  const RunOptionsFor<QuantizeObserver>& run_;
  std::vector<TensorResult> results_;  // in the order of the plan
};

}  // namespace

QuantizeResult quantize_portions(const CheckpointReader& reader, const QuantizePlan& plan,
                                 const QuantizeOptions& options, const CheckpointLocation& output,
                                 Overwrite overwrite,
                                 const std::map<std::string, std::string>& metadata,
                                 const RunOptionsFor<QuantizeObserver>& run) {
  const auto start = std::chrono::steady_clock::now();
  PortionQuantizer quantizer(reader, plan, options, run);
  const auto strings = [&](std::size_t tensor) { return reader.read_strings(plan[tensor].index); };
  SectionedResult files(reader, output, overwrite, quantizer.tensors(), strings, metadata,
                        quantizer.job());
  files.run(run.observer);
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
