#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "checkpoint/container/formats.h"
#include "checkpoint/tensorflow/slices/gather_stream.h"
#include "checkpoint/tensorflow/slices/ordered_code.h"
#include "checkpoint/tensorflow/table/table_reader.h"
#include "checkpoint/tensorflow/tensor_meta.h"
#include "checkpoint/tensorflow/v1/v1_values.h"
#include "narrow/error.h"

namespace narrow {
namespace {

struct V1Tensor {
  TensorInfo info;
  // Tiling the tensor; a tensor that is not partitioned has one full slice.
  std::vector<TensorSlice> slices;
};

// One slice. The cursor keeps the block with its values in memory.
class SliceStream final : public TensorStream {
 public:
  SliceStream(TableCursor cursor, const V1Tensor& tensor, const TensorSlice& slice,
              const std::string& where)
      : cursor_(std::move(cursor)),
        decoder_(find_v1_tensor(cursor_.value(), tensor.info.name, slice, where), tensor.info.dtype,
                 element_count(slice_shape(tensor.info.shape, slice)), where) {}

  void read(std::span<std::byte> out) override { decoder_.read(out); }

 private:
  TableCursor cursor_;
  V1ValueDecoder decoder_;
};

class TensorFlowV1Reader final : public CheckpointReader {
 public:
  explicit TensorFlowV1Reader(CheckpointLocation location)
      : location_(std::move(location)), table_(InputFile(location_.path)) {
    read_metadata();
  }

  [[nodiscard]] const CheckpointLocation& location() const override { return location_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return infos_; }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override;
  [[nodiscard]] std::vector<std::string> read_strings(std::size_t index) const override;

 private:
  void read_metadata();
  void add_tensor(const tensorflow::SavedSliceMeta& meta);
  [[nodiscard]] std::string where(const std::string& name) const;
  [[nodiscard]] TableCursor seek(const V1Tensor& tensor, const TensorSlice& slice) const;

  CheckpointLocation location_;
  TableReader table_;
  std::vector<V1Tensor> tensors_;
  std::vector<TensorInfo> infos_;
};

std::string TensorFlowV1Reader::where(const std::string& name) const {
  return fmt::format("{}, tensor '{}'", location_.path.string(), name);
}

void TensorFlowV1Reader::read_metadata() {
  const std::string file = location_.path.string();
  const TableCursor cursor = table_.begin();
  if (!cursor.valid() || !cursor.key().empty()) {
    throw Error(ErrorCategory::kCorrupt,
                file + ": the table has no metadata, so it is no checkpoint");
  }
  tensorflow::SavedTensorSlices slices;
  parse_message(cursor.value(), file + ", metadata", &slices);
  check_version(slices.meta().versions(), file);
  for (const auto& meta : slices.meta().tensor()) add_tensor(meta);
  // The order of the keys, under which the values lie.
  const auto name_of = [](const V1Tensor& tensor) -> const std::string& {
    return tensor.info.name;
  };
  std::ranges::sort(tensors_, {}, name_of);
  const auto twin = std::ranges::adjacent_find(tensors_, {}, name_of);
  if (twin != tensors_.end()) {
    throw Error(ErrorCategory::kCorrupt, where(twin->info.name) + ": the metadata name it twice");
  }
  for (const V1Tensor& tensor : tensors_) infos_.push_back(tensor.info);
}

void TensorFlowV1Reader::add_tensor(const tensorflow::SavedSliceMeta& meta) {
  V1Tensor tensor;
  tensor.info.name = meta.name();
  const std::string place = where(meta.name());
  set_tensorflow_type(meta.type(), place, &tensor.info);
  tensor.info.shape = shape_from_proto(meta.shape(), tensor.info.dtype, place);
  for (const auto& slice : meta.slice()) tensor.slices.push_back(slice_from_proto(slice));
  check_tiling(tensor.info.shape, tensor.slices, place);
  if (tensor.info.dtype == DType::kOpaque) {
    for (const TensorSlice& slice : tensor.slices) {
      const TableCursor cursor = seek(tensor, slice);
      tensor.info.opaque.byte_size +=
          find_v1_tensor(cursor.value(), meta.name(), slice, place).size();
    }
  }
  tensors_.push_back(std::move(tensor));
}

TableCursor TensorFlowV1Reader::seek(const V1Tensor& tensor, const TensorSlice& slice) const {
  const std::string key = slice_key(tensor.info.name, slice);
  TableCursor cursor = table_.seek(key);
  if (!cursor.valid() || cursor.key() != key) {
    throw Error(
        ErrorCategory::kCorrupt,
        fmt::format("{}: the values of its slice of shape {} are missing; fetch or write the "
                    "checkpoint again",
                    where(tensor.info.name), to_string(slice_shape(tensor.info.shape, slice))));
  }
  return cursor;
}

std::unique_ptr<TensorStream> TensorFlowV1Reader::open(std::size_t index) const {
  const V1Tensor& tensor = tensors_.at(index);
  if (tensor.info.dtype == DType::kString) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("tensor '{}' holds strings, which are not read as a stream", tensor.info.name));
  }
  if (tensor.info.dtype == DType::kOpaque) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{}: values of type {} cannot be taken out of a TensorFlow V1 "
                            "checkpoint; save it as V2 with TensorFlow",
                            where(tensor.info.name), tensor.info.type_name()));
  }
  const auto open_slice = [this, &tensor](std::size_t i) {
    const TensorSlice& slice = tensor.slices[i];
    return std::make_unique<SliceStream>(seek(tensor, slice), tensor, slice,
                                         where(tensor.info.name));
  };
  if (tensor.slices.size() == 1) return open_slice(0);
  return std::make_unique<GatherStream>(tensor.info.shape, tensor.slices,
                                        element_size(tensor.info.dtype), open_slice);
}

std::vector<std::string> TensorFlowV1Reader::read_strings(std::size_t index) const {
  const V1Tensor& tensor = tensors_.at(index);
  if (tensor.info.dtype != DType::kString) return CheckpointReader::read_strings(index);
  std::vector<std::vector<std::string>> values;
  for (const TensorSlice& slice : tensor.slices) {
    const TableCursor cursor = seek(tensor, slice);
    const std::string place = where(tensor.info.name);
    values.push_back(
        decode_v1_strings(find_v1_tensor(cursor.value(), tensor.info.name, slice, place),
                          element_count(slice_shape(tensor.info.shape, slice)), place));
  }
  return gather_strings(tensor.info.shape, tensor.slices, std::move(values));
}

}  // namespace

std::unique_ptr<CheckpointReader> open_tensorflow_v1(const CheckpointLocation& location) {
  return std::make_unique<TensorFlowV1Reader>(location);
}

}  // namespace narrow
