#include "checkpoint/onnx/external_output.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "checkpoint/onnx/number_stream.h"

namespace narrow {
namespace {

constexpr std::uint64_t kLargestAlignment = 4096;
constexpr std::uint32_t kExternalDataField = 13;  // of TensorProto

bool is_external(const OnnxTensor& tensor) { return tensor.storage == OnnxStorage::kExternal; }

std::uint64_t aligned(std::uint64_t position, std::uint64_t like) {
  const std::uint64_t lowest_bit = like & (~like + 1);
  const std::uint64_t step =
      like == 0 ? kLargestAlignment : std::min(lowest_bit, kLargestAlignment);
  return (position + step - 1) / step * step;
}

std::vector<std::uint64_t> new_offsets(const OnnxSource& source) {
  const std::vector<OnnxTensor>& tensors = source.layout().tensors;
  const std::vector<ExternalPlace>& places = source.places();
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (is_external(tensors[i])) order.push_back(i);
  }
  std::ranges::sort(order, {}, [&](std::size_t i) {
    return std::tuple(places[i].file, places[i].offset, tensors[i].stored_bytes, i);
  });
  std::vector<std::uint64_t> offsets(tensors.size());
  std::uint64_t end = 0;
  for (const std::size_t i : order) {
    offsets[i] = aligned(end, places[i].offset);
    end = offsets[i] + tensors[i].stored_bytes;
  }
  return offsets;
}

void append_entry(std::string_view key, std::string_view value, std::vector<std::byte>& out) {
  std::vector<std::byte> entry;
  append_text(1, key, entry);
  append_text(2, value, entry);
  const auto* const text = reinterpret_cast<const char*>(entry.data());
  append_text(kExternalDataField, std::string_view(text, entry.size()), out);
}

}  // namespace

ExternalOutput::ExternalOutput(const OnnxSource& source, const std::filesystem::path& path,
                               std::string name)
    : source_(source), name_(std::move(name)), offsets_(new_offsets(source)), file_(path) {}

std::vector<OnnxEdit> ExternalOutput::edits() const {
  std::vector<OnnxEdit> edits;
  const std::vector<OnnxTensor>& tensors = source_.layout().tensors;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!is_external(tensors[i])) continue;
    const OnnxExternal& old = tensors[i].external;
    const bool is_same = old.location == name_ && old.offset.value_or(0) == offsets_[i];
    if (is_same && !old.has_checksum) continue;
    OnnxEdit& edit = edits.emplace_back(OnnxEdit{old.fields, {}, tensors[i].message});
    append_entry("location", name_, edit.bytes);
    if (old.offset || offsets_[i] > 0) {
      append_entry("offset", std::to_string(offsets_[i]), edit.bytes);
    }
    if (old.length) append_entry("length", std::to_string(*old.length), edit.bytes);
  }
  return edits;
}

void ExternalOutput::write_at(std::size_t index, std::uint64_t byte_offset,
                              std::span<const std::byte> bytes) {
  file_.write_at(offsets_[index] + byte_offset, bytes);
}

void ExternalOutput::copy(std::size_t index) {
  const ExternalPlace& place = source_.places()[index];
  const std::uint64_t size = source_.layout().tensors[index].stored_bytes;
  std::uint64_t done = 0;
  std::vector<std::byte> buffer;
  copy_range(source_.external_files()[place.file], {place.offset, place.offset + size}, buffer,
             [&](std::span<const std::byte> bytes) {
               write_at(index, done, bytes);
               done += bytes.size();
             });
}

}  // namespace narrow
