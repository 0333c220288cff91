// Writing safetensors: the header needs every tensor, so it is written with the first value.
#include "checkpoint/container/formats.h"
#include "checkpoint/container/single_file_output.h"
#include "checkpoint/container/write_order.h"
#include "checkpoint/safetensors/safetensors_header.h"

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
    require_safetensors_tensor(info);
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
