#include <fmt/format.h>

#include "checkpoint/container/formats.h"
#include "checkpoint/tensorflow/table/table_guard.h"
#include "checkpoint/tensorflow/table/table_reader.h"
#include "narrow/error.h"

namespace narrow {

bool looks_like_tensorflow_table(const InputFile& file) { return has_table_magic(file); }

CheckpointFormat tensorflow_table_format(const InputFile& file) {
  // SavedTensorSlices has one field under the empty key, a message numbered 1. In BundleHeaderProto
  // field 1 is a number, so that the first byte tells them apart.
  constexpr char kSavedTensorSlicesTag = 0x0a;
  const TableReader table(InputFile(file.path()));
  const TableCursor cursor = table.begin();
  if (!cursor.valid() || !cursor.key().empty() || cursor.value().empty()) {
    throw Error(
        ErrorCategory::kCorrupt,
        fmt::format("{} is a table, but not one of a TensorFlow checkpoint: its first entry "
                    "is no header",
                    file.path().string()));
  }
  return cursor.value().front() == kSavedTensorSlicesTag ? CheckpointFormat::kTensorFlowV1
                                                         : CheckpointFormat::kTensorFlowV2;
}

}  // namespace narrow
