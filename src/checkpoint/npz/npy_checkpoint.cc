// A lone .npy file as a checkpoint of one tensor, which is named after the file.
#include <fmt/format.h>

#include <array>
#include <optional>

#include "base/bytes.h"
#include "checkpoint/container/file_range_stream.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/container/single_file_output.h"
#include "checkpoint/container/write_order.h"
#include "checkpoint/npz/npy_header.h"
#include "checkpoint/npz/npy_stream.h"
#include "narrow/error.h"

namespace narrow {
namespace {

class NpyReader final : public CheckpointReader {
 public:
  explicit NpyReader(const CheckpointLocation& location)
      : location_(location), file_(location.path) {
    const std::string name = location.path.stem().string();
    FileRangeStream stream(file_, name, 0, file_.size());
    header_ = read_npy_header([&](std::span<std::byte> out) { stream.read(out); }, file_.size(),
                              file_.path().string());
    tensors_.push_back({name, header_.dtype, header_.shape, header_.opaque});
  }

  [[nodiscard]] const CheckpointLocation& location() const override { return location_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override {
    const TensorInfo& info = tensors_.at(index);
    return open_npy_values(std::make_unique<FileRangeStream>(file_, info.name, 0, file_.size()),
                           header_, info.name);
  }

 private:
  CheckpointLocation location_;
  InputFile file_;
  NpyHeader header_;
  std::vector<TensorInfo> tensors_;
};

class NpyWriter final : public CheckpointWriter {
 public:
  NpyWriter(const CheckpointLocation& location, Overwrite overwrite)
      : path_(location.path), output_(location.path, overwrite) {}

  void add(const TensorInfo& info) override {
    if (!order_.tensors().empty()) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("{} can hold one tensor only, but {} and {} were selected; "
                              "select one",
                              path_.string(), order_.tensors().front().name, info.name),
                  {Remedy::Kind::kOtherFormat, "npz"});
    }
    output_.file().write(build_npy_header(info));
    order_.add(info);
  }

  void write(std::span<const std::byte> values) override {
    if (values.empty()) return;
    order_.take(values.size());
    output_.file().write(values);
  }

  void finish() override {
    if (order_.tensors().empty()) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{} needs one tensor, but none was added", path_.string()));
    }
    order_.check_complete();
    output_.file().finish();
    output_.commit();
  }

 private:
  std::filesystem::path path_;
  SingleFileOutput output_;
  WriteOrder order_;
};

}  // namespace

bool looks_like_npy(const InputFile& file) {
  constexpr std::string_view kMagic = "\x93NUMPY";
  std::array<std::byte, kMagic.size()> start{};
  if (file.size() < start.size()) return false;
  file.read_at(0, start);
  return std::ranges::equal(start, as_byte_span(kMagic));
}

std::unique_ptr<CheckpointReader> open_npy(const CheckpointLocation& location) {
  return std::make_unique<NpyReader>(location);
}

std::unique_ptr<CheckpointWriter> create_npy(const CheckpointLocation& location,
                                             Overwrite overwrite) {
  return std::make_unique<NpyWriter>(location, overwrite);
}

}  // namespace narrow
