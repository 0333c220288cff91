// Reading the constants of a frozen TensorFlow graph as a checkpoint.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>

#include "checkpoint/container/file_range_stream.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/tensorflow/graph/constant_stream.h"
#include "checkpoint/tensorflow/graph/graph_constants.h"
#include "narrow/error.h"

namespace narrow {
namespace {

class FrozenGraphReader final : public CheckpointReader {
 public:
  explicit FrozenGraphReader(const CheckpointLocation& location)
      : location_(location), file_(location.path), constants_(scan_graph_constants(file_)) {
    for (const GraphConstant& constant : constants_) tensors_.push_back(constant.info);
  }

  [[nodiscard]] const CheckpointLocation& location() const override { return location_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return tensors_; }

  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override {
    const GraphConstant& constant = constants_.at(index);
    const TensorInfo& info = constant.info;
    if (info.dtype == DType::kString) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{} holds strings, which are not read as a stream", where(index)));
    }
    if (constant.content.size() > 0 || info.byte_size() == 0) {
      return std::make_unique<FileRangeStream>(file_, info.name, constant.content.begin,
                                               constant.content.size());
    }
    if (info.dtype == DType::kOpaque) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("{}: values of type {} cannot be taken out of a graph", where(index),
                              info.type_name()),
                  {Remedy::Kind::kExclude});
    }
    return std::make_unique<ConstantStream>(file_, constant, where(index));
  }

  [[nodiscard]] std::vector<std::string> read_strings(std::size_t index) const override {
    if (tensors_.at(index).dtype != DType::kString) return CheckpointReader::read_strings(index);
    return read_constant_strings(file_, constants_[index], where(index));
  }

 private:
  [[nodiscard]] std::string where(std::size_t index) const {
    return fmt::format("{}, node '{}'", file_.path().string(), tensors_[index].name);
  }

  CheckpointLocation location_;
  InputFile file_;
  std::vector<GraphConstant> constants_;
  std::vector<TensorInfo> tensors_;
};

// A text in the next field, which is `number` of a NodeDef; empty for anything else.
std::string next_text(WireCursor& cursor, std::uint32_t number) {
  constexpr std::uint64_t kLongest = 8192;
  if (cursor.tag() != WireTag{number, WireKind::kBytes}) return "";
  const std::uint64_t bytes = cursor.length();
  if (bytes > kLongest) return "";
  std::string text = cursor.text(bytes);
  const auto is_printable = [](char c) { return c >= 0x20 && c < 0x7f; };
  return std::ranges::all_of(text, is_printable) ? text : "";
}

// Whether the first field is a node with a name and an operation: "Const", "_Arg".
bool begins_with_node(const InputFile& file) {
  WireCursor cursor(file, 0, file.size());
  if (cursor.at_end() || cursor.tag() != WireTag{1, WireKind::kBytes}) return false;
  const FileRange node = cursor.content();
  cursor.move_to(node.begin, node.end);
  if (next_text(cursor, 1).empty()) return false;
  const std::string operation = next_text(cursor, 2);
  return !operation.empty() && (std::isupper(static_cast<unsigned char>(operation.front())) != 0 ||
                                operation.front() == '_');
}

}  // namespace

bool looks_like_frozen_graph(const InputFile& file) {
  try {
    if (!begins_with_node(file)) return false;
  } catch (const Error& error) {
    if (error.category() != ErrorCategory::kCorrupt) throw;
    return false;
  }
  return !looks_like_tensorflow_table(file) && !looks_like_tflite(file);
}

std::unique_ptr<CheckpointReader> open_frozen_graph(const CheckpointLocation& location) {
  return std::make_unique<FrozenGraphReader>(location);
}

}  // namespace narrow
