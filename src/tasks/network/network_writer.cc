#include "tasks/network/network_writer.h"

#include <string>
#include <vector>

#include "narrow/channel_axes.h"
#include "quant/tensor_quantizer.h"
#include "stream/tensor_passes.h"

namespace narrow {
namespace {

// A tensor that is no weight of the network.
class OtherTensor {
 public:
  OtherTensor(const CheckpointReader& reader, const TensorPlan& plan,
              const QuantizeOptions& options)
      : reader_(reader), plan_(plan), info_(reader.tensors()[plan.index]) {
    result_.info = info_;
    result_.reason = plan.reason;
    if (info_.dtype == DType::kString) {
      strings_ = reader.read_strings(plan.index);
      return;
    }
    bytes_.resize(info_.byte_size());
    reader.read(plan.index, bytes_);
    if (plan.scheme) quantize(options);
  }

  void write(CheckpointWriter& writer) const {
    if (info_.dtype == DType::kString) {
      writer.write_strings(strings_);
    } else if (!bytes_.empty()) {
      writer.write(bytes_);
    }
  }
  [[nodiscard]] const TensorResult& result() const { return result_; }

 private:
  void quantize(const QuantizeOptions& options) {
    const Scheme scheme = with_channel_axes(*plan_.scheme, info_, reader_.location().format);
    TensorQuantizer quantizer(scheme, info_, 0);
    scan_tensor(bytes_, quantizer);
    if (keep_non_finite(quantizer, options.non_finite, result_)) return;
    describe(quantizer, scheme, result_);
    result_.errors = round_trip_tensor(quantizer, element_size(info_.dtype), bytes_);
  }

  const CheckpointReader& reader_;
  const TensorPlan& plan_;
  const TensorInfo& info_;
  std::vector<std::byte> bytes_;
  std::vector<std::string> strings_;
  TensorResult result_;
};

// Writes every tensor of the plan and gathers what is known of it.
class ResultWriter {
 public:
  ResultWriter(const CheckpointReader& reader, const Weights& weights,
               const QuantizedWeights& quantized, NetworkResult& result)
      : reader_(reader), weights_(weights), quantized_(quantized), result_(result) {}

  void run(const QuantizePlan& plan, const QuantizeOptions& options, CheckpointWriter& writer) {
    for (const TensorPlan& tensor : plan) writer.add(reader_.tensors()[tensor.index]);
    for (const TensorPlan& tensor : plan) {
      if (weights_.find(reader_.tensors()[tensor.index].name)) {
        put_weight(reader_.tensors()[tensor.index], tensor.reason, writer);
        continue;
      }
      const OtherTensor other(reader_, tensor, options);
      other.write(writer);
      count(other.result(), other.result().errors);
    }
  }

 private:
  void put_weight(const TensorInfo& info, CopyReason reason, CheckpointWriter& writer) {
    writer.write(std::as_bytes(weights_.values(info.name)));
    const auto found = quantized_.results.find(info.name);
    if (found != quantized_.results.end()) {
      count(found->second, quantized_.original_errors.at(info.name));
      return;
    }
    TensorResult copied;
    copied.info = info;
    copied.reason = reason;
    count(copied, {});
  }

  void count(const TensorResult& tensor, const ErrorSums& original) {
    result_.quantization.summary.add_tensor(tensor);
    if (tensor.quantized) {
      result_.original.add(original);
      result_.original_errors[tensor.info.name] = original;
    }
    result_.quantization.tensors.push_back(tensor);
  }

  const CheckpointReader& reader_;
  const Weights& weights_;
  const QuantizedWeights& quantized_;
  NetworkResult& result_;
};

}  // namespace

void write_network(const CheckpointReader& reader, const QuantizePlan& plan,
                   const QuantizeOptions& options, const Weights& weights,
                   const QuantizedWeights& quantized, CheckpointWriter& writer,
                   NetworkResult& result) {
  ResultWriter(reader, weights, quantized, result).run(plan, options, writer);
}

}  // namespace narrow
