// Writing NPZ: stored members, so that numpy.load and every other reader need no decompression.
#include <fmt/format.h>

#include "base/bytes.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/container/single_file_output.h"
#include "checkpoint/container/write_order.h"
#include "checkpoint/npz/npy_header.h"
#include "checkpoint/npz/zip/zip_writer.h"
#include "narrow/error.h"

namespace narrow {
namespace {

class NpzWriter final : public CheckpointWriter {
 public:
  NpzWriter(const CheckpointLocation& location, Overwrite overwrite)
      : output_(location.path, overwrite), zip_(output_.file()) {}

  void add(const TensorInfo& info) override {
    if (info.name.find('\0') != std::string::npos) {
      throw Error(
          ErrorCategory::kUnsupported,
          fmt::format("an NPZ archive cannot hold tensor {}, as NumPy ends a name at a zero "
                      "byte; exclude it or rename it",
                      info.name),
          {Remedy::Kind::kOtherFormat, "safetensors"});
    }
    std::string header = build_npy_header(info);
    order_.add(info);
    headers_.push_back(std::move(header));
  }

  void write(std::span<const std::byte> values) override {
    if (values.empty()) return;
    begin_members(order_.take(values.size()) + 1);
    zip_.write(values);
  }

  void finish() override {
    order_.check_complete();
    begin_members(order_.tensors().size());
    zip_.finish();
    output_.commit();
  }

 private:
  // Tensors without elements get their member when the next one begins.
  void begin_members(std::size_t count) {
    for (; begun_ < count; ++begun_) {
      const TensorInfo& info = order_.tensors()[begun_];
      const std::string& header = headers_[begun_];
      zip_.begin_member(info.name + ".npy", header.size() + info.byte_size());
      zip_.write(as_byte_span(header));
    }
  }

  SingleFileOutput output_;
  ZipWriter zip_;
  WriteOrder order_;
  std::vector<std::string> headers_;
  std::size_t begun_ = 0;
};

}  // namespace

std::unique_ptr<CheckpointWriter> create_npz(const CheckpointLocation& location,
                                             Overwrite overwrite) {
  return std::make_unique<NpzWriter>(location, overwrite);
}

}  // namespace narrow
