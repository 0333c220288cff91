#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "checkpoint/container/formats.h"
#include "checkpoint/tensorflow/shards/v1_shards.h"
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
  std::vector<std::size_t> files;  // in which the slices lie
  std::size_t named_by = 0;        // the last file whose metadata name it
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
  explicit TensorFlowV1Reader(CheckpointLocation location) : location_(std::move(location)) {
    for (const auto& path : v1_checkpoint_files(location_.path)) {
      tables_.push_back(std::make_unique<TableReader>(InputFile(path)));
    }
    read_metadata();
  }

  [[nodiscard]] const CheckpointLocation& location() const override { return location_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return infos_; }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override;
  [[nodiscard]] std::vector<std::string> read_strings(std::size_t index) const override;

 private:
  using Positions = std::unordered_map<std::string, std::size_t>;

  void read_metadata();
  void read_file(std::size_t file, Positions& positions);
  void add_tensor(const tensorflow::SavedSliceMeta& meta, std::size_t file, Positions& positions);
  void check_slices(V1Tensor& tensor) const;
  [[nodiscard]] std::string where(const std::string& name, std::size_t file) const;
  [[nodiscard]] TableCursor seek(const V1Tensor& tensor, std::size_t slice) const;

  CheckpointLocation location_;
  std::vector<std::unique_ptr<TableReader>> tables_;  // one a file
  std::vector<V1Tensor> tensors_;
  std::vector<TensorInfo> infos_;
};

std::string TensorFlowV1Reader::where(const std::string& name, std::size_t file) const {
  return fmt::format("{}, tensor '{}'", tables_[file]->path().string(), name);
}

void TensorFlowV1Reader::read_metadata() {
  Positions positions;
  for (std::size_t file = 0; file < tables_.size(); ++file) read_file(file, positions);
  // The order of the keys, under which the values lie.
  std::ranges::sort(tensors_, {},
                    [](const V1Tensor& tensor) -> const std::string& { return tensor.info.name; });
  for (V1Tensor& tensor : tensors_) {
    check_slices(tensor);
    infos_.push_back(tensor.info);
  }
}

void TensorFlowV1Reader::read_file(std::size_t file, Positions& positions) {
  const std::string path = tables_[file]->path().string();
  const TableCursor cursor = tables_[file]->begin();
  if (!cursor.valid() || !cursor.key().empty()) {
    throw Error(ErrorCategory::kCorrupt,
                path + ": the table has no metadata, so it is no checkpoint");
  }
  tensorflow::SavedTensorSlices slices;
  parse_message(cursor.value(), path + ", metadata", &slices);
  check_version(slices.meta().versions(), path);
  for (const auto& meta : slices.meta().tensor()) add_tensor(meta, file, positions);
}

void TensorFlowV1Reader::add_tensor(const tensorflow::SavedSliceMeta& meta, std::size_t file,
                                    Positions& positions) {
  const std::string place = where(meta.name(), file);
  TensorInfo info;
  info.name = meta.name();
  set_tensorflow_type(meta.type(), place, &info);
  info.shape = shape_from_proto(meta.shape(), info.dtype, place);
  const auto [found, is_new] = positions.emplace(info.name, tensors_.size());
  if (is_new) tensors_.push_back({.info = info, .slices = {}, .files = {}, .named_by = file});
  V1Tensor& tensor = tensors_[found->second];
  if (!is_new && tensor.named_by == file) {
    throw Error(ErrorCategory::kCorrupt, place + ": the metadata name it twice");
  }
  if (!tensor.info.same_tensor(info)) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} is {} {}, but {} {} in another file of the checkpoint: the files "
                            "do not belong together",
                            place, info.type_name(), to_string(info.shape), tensor.info.type_name(),
                            to_string(tensor.info.shape)));
  }
  tensor.named_by = file;
  for (const auto& slice : meta.slice()) {
    tensor.slices.push_back(slice_from_proto(slice));
    tensor.files.push_back(file);
  }
}

// Also finds the size of values of an opaque type.
void TensorFlowV1Reader::check_slices(V1Tensor& tensor) const {
  const std::string place = where(tensor.info.name, tensor.named_by);
  check_tiling(tensor.info.shape, tensor.slices, place);
  if (tensor.info.dtype != DType::kOpaque) return;
  for (std::size_t i = 0; i < tensor.slices.size(); ++i) {
    const TableCursor cursor = seek(tensor, i);
    tensor.info.opaque.byte_size +=
        find_v1_tensor(cursor.value(), tensor.info.name, tensor.slices[i], place).size();
  }
}

TableCursor TensorFlowV1Reader::seek(const V1Tensor& tensor, std::size_t slice) const {
  const std::string key = slice_key(tensor.info.name, tensor.slices[slice]);
  const std::size_t file = tensor.files[slice];
  TableCursor cursor = tables_[file]->seek(key);
  if (!cursor.valid() || cursor.key() != key) {
    throw Error(
        ErrorCategory::kCorrupt,
        fmt::format("{}: the values of its slice of shape {} are missing; fetch or write the "
                    "checkpoint again",
                    where(tensor.info.name, file),
                    to_string(slice_shape(tensor.info.shape, tensor.slices[slice]))));
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
                            where(tensor.info.name, tensor.named_by), tensor.info.type_name()));
  }
  const auto open_slice = [this, &tensor](std::size_t i) {
    return std::make_unique<SliceStream>(seek(tensor, i), tensor, tensor.slices[i],
                                         where(tensor.info.name, tensor.files[i]));
  };
  if (tensor.slices.size() == 1) return open_slice(0);
  return std::make_unique<GatherStream>(tensor.info.shape, tensor.slices,
                                        element_size(tensor.info.dtype), open_slice);
}

std::vector<std::string> TensorFlowV1Reader::read_strings(std::size_t index) const {
  const V1Tensor& tensor = tensors_.at(index);
  if (tensor.info.dtype != DType::kString) return CheckpointReader::read_strings(index);
  std::vector<std::vector<std::string>> values;
  for (std::size_t i = 0; i < tensor.slices.size(); ++i) {
    const TensorSlice& slice = tensor.slices[i];
    const TableCursor cursor = seek(tensor, i);
    const std::string place = where(tensor.info.name, tensor.files[i]);
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
