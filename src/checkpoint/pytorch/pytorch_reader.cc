// Reading what torch.save writes.
#include <fmt/format.h>

#include <deque>
#include <mutex>
#include <utility>

#include "checkpoint/container/file_range_stream.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/npz/zip/zip_member_stream.h"
#include "checkpoint/pytorch/pytorch_file.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::size_t kCheckedBytes = 1 << 18;

class PytorchReader final : public CheckpointReader {
 public:
  explicit PytorchReader(const CheckpointLocation& location)
      : location_(location), file_(location.path) {
    const std::string root_name = location.path.stem().string();
    contents_ = is_pytorch_stream(file_) ? read_pytorch_stream(file_, root_name)
                                         : read_pytorch_zip(file_, root_name);
    for (const NamedTensor& tensor : contents_.tensors) infos_.push_back(tensor.info);
    verified_.resize(contents_.storages.size());
  }

  [[nodiscard]] const CheckpointLocation& location() const override { return location_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return infos_; }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override {
    const NamedTensor& tensor = contents_.tensors.at(index);
    if (tensor.info.byte_size() == 0) {
      return std::make_unique<FileRangeStream>(file_, tensor.info.name, 0, 0);
    }
    const StoragePlace& storage = contents_.storages[tensor.storage];
    StridedPlace place = tensor.place;
    const bool is_whole = is_contiguous(place) && place.byte_offset == 0 &&
                          tensor.info.byte_size() == storage.byte_size;
    if (storage.member && is_whole) return open_zip_member(file_, *storage.member);
    verify(tensor);
    place.byte_offset += storage.byte_offset;
    return open_strided(file_, tensor.info.name, std::move(place));
  }

 private:
  // Compares the checksum of a storage that several tensors share, or of which one has a part, or
  // not in order: once.
  void verify(const NamedTensor& tensor) const {
    const StoragePlace& storage = contents_.storages[tensor.storage];
    if (!storage.member) return;
    if (storage.member->deflated) {
      throw Error(
          ErrorCategory::kUnsupported,
          fmt::format("tensor {} is a part of member {} of {}, which is compressed: load it "
                      "with torch.load and save it again",
                      tensor.info.name, storage.member->name, file_.path().string()));
    }
    std::call_once(verified_[tensor.storage], [&] {
      const auto stream = open_zip_member(file_, *storage.member);
      std::vector<std::byte> piece(kCheckedBytes);
      for (std::uint64_t left = storage.byte_size; left > 0;) {
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left, piece.size()));
        stream->read(std::span(piece).first(count));
        left -= count;
      }
    });
  }

  CheckpointLocation location_;
  InputFile file_;
  PytorchFile contents_;
  std::vector<TensorInfo> infos_;
  mutable std::deque<std::once_flag> verified_;
};

}  // namespace

bool looks_like_pytorch(const InputFile& file) {
  return is_pytorch_stream(file) || is_pytorch_zip(file);
}

std::unique_ptr<CheckpointReader> open_pytorch(const CheckpointLocation& location) {
  return std::make_unique<PytorchReader>(location);
}

}  // namespace narrow
