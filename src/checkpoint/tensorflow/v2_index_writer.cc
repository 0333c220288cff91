#include "checkpoint/tensorflow/v2_index_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "checkpoint/container/cannot_hold.h"
#include "checkpoint/tensorflow/table/table_writer.h"
#include "checkpoint/tensorflow/tensor_meta.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr int kProducerVersion = 1;

}  // namespace

void require_v2_tensor(const TensorInfo& info) {
  if (info.name.empty() || info.name.front() == '\0') {
    throw Error(ErrorCategory::kUnsupported,
                "a TensorFlow checkpoint cannot hold a tensor whose name is empty or starts with a "
                "zero byte");
  }
  if (!tensorflow_number(info)) throw_cannot_hold("a TensorFlow checkpoint", info);
}

std::filesystem::path checked_v2_prefix(const std::filesystem::path& prefix) {
  if (!prefix.has_filename() || prefix.filename() == "." || prefix.filename() == "..") {
    throw Error(ErrorCategory::kUsage,
                fmt::format("'{}' is no prefix for a TensorFlow checkpoint: add a file name, for "
                            "example model.ckpt",
                            prefix.string()));
  }
  return prefix;
}

void write_v2_index(const std::filesystem::path& path, std::vector<V2Entry> entries) {
  std::ranges::sort(
      entries, {}, [](const V2Entry& entry) -> const auto& { return entry.info.name; });
  OutputFile file(path);
  TableWriter table(&file);
  tensorflow::BundleHeaderProto header;
  header.set_num_shards(1);
  header.mutable_version()->set_producer(kProducerVersion);
  table.add("", header.SerializeAsString());
  for (const V2Entry& entry : entries) {
    tensorflow::BundleEntryProto proto;
    proto.set_dtype(tensorflow_number(entry.info).value());
    auto* shape = proto.mutable_shape();
    for (const std::int64_t dim : entry.info.shape) shape->add_dim()->set_size(dim);
    proto.set_offset(static_cast<std::int64_t>(entry.byte_offset));
    proto.set_size(static_cast<std::int64_t>(entry.byte_count));
    proto.set_crc32c(entry.masked_crc);
    table.add(entry.info.name, proto.SerializeAsString());
  }
  table.finish();
  file.finish();
}

}  // namespace narrow
