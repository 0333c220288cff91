#include "checkpoint/onnx/onnx_copy.h"

#include <algorithm>
#include <utility>

#include "checkpoint/onnx/number_stream.h"

namespace narrow {

std::vector<OnnxEdit> edit_lengths(const OnnxLayout& layout, std::span<const OnnxGrowth> growths) {
  std::vector<std::int64_t> grown(layout.messages.size());
  for (const OnnxGrowth& growth : growths) {
    if (growth.message != kNoMessage) grown[growth.message] += growth.bytes;
  }
  std::vector<OnnxEdit> edits;
  // A message comes after the one that it is in.
  for (std::size_t i = layout.messages.size(); i-- > 0;) {
    if (grown[i] == 0) continue;
    const OnnxMessage& message = layout.messages[i];
    OnnxEdit edit{{message.length_at, message.content.begin}, {}, message.parent};
    append_varint(message.content.size() + static_cast<std::uint64_t>(grown[i]), edit.bytes);
    if (message.parent != kNoMessage) grown[message.parent] += grown[i] + edit.growth();
    edits.push_back(std::move(edit));
  }
  return edits;
}

OnnxCopy::OnnxCopy(const InputFile& file, std::vector<OnnxEdit> edits, Sink sink)
    : file_(file), edits_(std::move(edits)), sink_(std::move(sink)) {
  std::ranges::sort(
      edits_, {}, [](const OnnxEdit& edit) { return std::pair(edit.range.begin, edit.range.end); });
}

void OnnxCopy::copy_bytes(std::uint64_t end) {
  copy_range(file_, {position_, end}, buffer_, sink_);
  position_ = end;
}

void OnnxCopy::copy_to(std::uint64_t offset) {
  for (; next_edit_ < edits_.size() && edits_[next_edit_].range.end <= offset; ++next_edit_) {
    const OnnxEdit& edit = edits_[next_edit_];
    copy_bytes(edit.range.begin);
    if (!edit.bytes.empty()) sink_(edit.bytes);
    position_ = edit.range.end;
  }
  copy_bytes(offset);
}

void OnnxCopy::finish() { copy_to(file_.size()); }

void copy_range(const InputFile& file, FileRange range, std::vector<std::byte>& buffer,
                const OnnxCopy::Sink& sink) {
  constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;
  while (range.begin < range.end) {
    buffer.resize(std::min(kPieceBytes, range.size()));
    file.read_at(range.begin, buffer);
    sink(buffer);
    range.begin += buffer.size();
  }
}

}  // namespace narrow
