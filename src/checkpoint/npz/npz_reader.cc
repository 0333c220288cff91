// Reading NPZ: a ZIP archive whose members are NPY arrays.
#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/container/known_files.h"
#include "checkpoint/npz/npy_header.h"
#include "checkpoint/npz/npy_stream.h"
#include "checkpoint/npz/zip/zip_directory.h"
#include "checkpoint/npz/zip/zip_format.h"
#include "checkpoint/npz/zip/zip_member_stream.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::string_view kSuffix = ".npy";

class NpzReader final : public CheckpointReader {
 public:
  explicit NpzReader(const CheckpointLocation& location)
      : location_(location), file_(location.path), members_(read_zip_directory(file_)) {
    require_arrays();
    for (const ZipMember& member : members_) add_tensor(member);
  }

  [[nodiscard]] const CheckpointLocation& location() const override { return location_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override {
    const TensorInfo& info = tensors_.at(index);
    return open_npy_values(open_zip_member(file_, members_[index]), headers_[index], info.name);
  }

 private:
  // Other programs write ZIP archives too.
  void require_arrays() const {
    std::vector<std::string> names;
    bool are_arrays = true;
    for (const ZipMember& member : members_) {
      names.push_back(member.name);
      are_arrays = are_arrays && member.name.ends_with(kSuffix);
    }
    if (are_arrays) return;
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} is not a checkpoint this program reads: it {}",
                            file_.path().string(), describe_zip(names)));
  }

  void add_tensor(const ZipMember& member) {
    const std::string where = fmt::format("member {} of {}", member.name, file_.path().string());
    const auto stream = open_zip_member(file_, member);
    NpyHeader header = read_npy_header([&](std::span<std::byte> out) { stream->read(out); },
                                       member.byte_size, where);
    tensors_.push_back({member.name.substr(0, member.name.size() - kSuffix.size()), header.dtype,
                        header.shape, header.opaque});
    headers_.push_back(std::move(header));
  }

  CheckpointLocation location_;
  InputFile file_;
  std::vector<ZipMember> members_;
  std::vector<NpyHeader> headers_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace

bool looks_like_npz(const InputFile& file) {
  std::array<std::byte, 4> start{};
  if (file.size() < start.size()) return false;
  file.read_at(0, start);
  const auto signature = load_le<std::uint32_t>(start.data());
  const bool is_zip = signature == zip::kLocalSignature || signature == zip::kEndSignature;
  return is_zip && !zip_has_member(file, "data.pkl") && !looks_like_keras(file);  // PyTorch's
}

std::unique_ptr<CheckpointReader> open_npz(const CheckpointLocation& location) {
  return std::make_unique<NpzReader>(location);
}

}  // namespace narrow
