// Writing safetensors: the header needs every tensor, so it is written with the first value.
#include <fmt/format.h>

#include "base/utf8.h"
#include "checkpoint/container/cannot_hold.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/container/single_file_output.h"
#include "checkpoint/container/write_order.h"
#include "checkpoint/safetensors/safetensors_header.h"
#include "narrow/error.h"

namespace narrow {
namespace {

class SafetensorsWriter final : public CheckpointWriter {
 public:
  SafetensorsWriter(const CheckpointLocation& location, Overwrite overwrite)
      : output_(location.path, overwrite) {}

  void set_metadata(const std::map<std::string, std::string>& metadata) override {
    metadata_ = metadata;
  }

  void add(const TensorInfo& info) override {
    if (!safetensors_type_name(info)) throw_cannot_hold("a safetensors file", info);
    if (info.name == "__metadata__") {
      throw Error(ErrorCategory::kUnsupported, "safetensors reserves the tensor name __metadata__",
                  {Remedy::Kind::kOtherFormat, "tf or npz"});
    }
    if (!is_utf8(info.name)) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("safetensors cannot hold tensor {}, whose name is not UTF-8; exclude "
                              "it or rename it",
                              info.name),
                  {Remedy::Kind::kOtherFormat, "tf or npz"});
    }
    order_.add(info);
  }

  void write(std::span<const std::byte> values) override {
    if (values.empty()) return;
    order_.take(values.size());
    write_header_once();
    output_.file().write(values);
  }

  void finish() override {
    order_.check_complete();
    write_header_once();
    output_.file().finish();
    output_.commit();
  }

 private:
  void write_header_once() {
    if (output_.file().bytes_written() > 0) return;
    const std::string header = build_safetensors_header(order_.tensors(), metadata_);
    std::uint64_t bytes = header.size();
    for (const TensorInfo& info : order_.tensors()) bytes += info.byte_size();
    output_.file().reserve(bytes);
    output_.file().write(header);
  }

  SingleFileOutput output_;
  std::map<std::string, std::string> metadata_;
  WriteOrder order_;
};

}  // namespace

std::unique_ptr<CheckpointWriter> create_safetensors(const CheckpointLocation& location,
                                                     Overwrite overwrite) {
  return std::make_unique<SafetensorsWriter>(location, overwrite);
}

}  // namespace narrow
