// Writing what torch.load reads: the ZIP form, with values stored at multiples of 64 bytes as
// torch.save has them, so that torch.load(mmap=True) works.
#include <fmt/format.h>

#include "base/bytes.h"
#include "base/utf8.h"
#include "checkpoint/container/cannot_hold.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/container/single_file_output.h"
#include "checkpoint/container/write_order.h"
#include "checkpoint/npz/zip/zip_writer.h"
#include "checkpoint/pytorch/pickle_builder.h"
#include "checkpoint/pytorch/pytorch_types.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::size_t kAlignment = 64;

class PytorchWriter final : public CheckpointWriter {
 public:
  PytorchWriter(const CheckpointLocation& location, Overwrite overwrite)
      : output_(location.path, overwrite), zip_(output_.file()) {}

  void add(const TensorInfo& info) override {
    check_type(info);
    if (!is_utf8(info.name)) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("a PyTorch file cannot hold tensor {}, whose name is not UTF-8; "
                              "exclude it or rename it",
                              info.name),
                  {Remedy::Kind::kOtherFormat, "tf or npz"});
    }
    order_.add(info);
  }

  void write(std::span<const std::byte> values) override {
    if (values.empty()) return;
    begin_members(order_.take(values.size()) + 1);
    zip_.write(values);
  }

  void finish() override {
    order_.check_complete();
    begin_members(order_.tensors().size());
    add_member("version", "3\n");
    zip_.finish();
    output_.commit();
  }

 private:
  static void check_type(const TensorInfo& info) {
    if (pytorch_type_of(info) != nullptr) return;
    if (info.dtype != DType::kOpaque || info.opaque.family != OpaqueType::Family::kPyTorch) {
      throw_cannot_hold("a PyTorch file", info);
    }
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("tensor {} cannot be written: it is PyTorch's {}, which is listed but "
                            "not understood; make a file without it first",
                            info.name, info.type_name()));
  }

  void add_member(const std::string& name, const std::string& content) {
    zip_.begin_member("archive/" + name, content.size(), kAlignment);
    zip_.write(as_byte_span(content));
  }

  // Tensors without elements get their member when the next one begins.
  void begin_members(std::size_t count) {
    if (!has_pickle_) {
      add_member("data.pkl", build_pickle(order_.tensors()));
      add_member("byteorder", "little");
      has_pickle_ = true;
    }
    for (; begun_ < count; ++begun_) {
      zip_.begin_member(fmt::format("archive/data/{}", begun_),
                        order_.tensors()[begun_].byte_size(), kAlignment);
    }
  }

  SingleFileOutput output_;
  ZipWriter zip_;
  WriteOrder order_;
  bool has_pickle_ = false;
  std::size_t begun_ = 0;
};

}  // namespace

std::unique_ptr<CheckpointWriter> create_pytorch(const CheckpointLocation& location,
                                                 Overwrite overwrite) {
  return std::make_unique<PytorchWriter>(location, overwrite);
}

}  // namespace narrow
