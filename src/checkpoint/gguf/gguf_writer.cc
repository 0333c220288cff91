// Writing a GGUF file as a variant of another: its metadata, and tensors whose values lie in the
// file as they are in memory.
#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "checkpoint/container/cannot_hold.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/container/write_order.h"
#include "checkpoint/gguf/gguf_encode.h"
#include "checkpoint/gguf/gguf_output.h"
#include "checkpoint/gguf/gguf_types.h"

namespace narrow {
namespace {

// The type of most values of tensors with two or more dimensions.
std::optional<std::uint32_t> main_type(const std::vector<GgufNewTensor>& tensors) {
  std::map<std::uint32_t, std::uint64_t> elements;
  for (const GgufNewTensor& tensor : tensors) {
    if (tensor.shape.size() >= 2) elements[tensor.type] += element_count(tensor.shape);
  }
  const auto most = std::ranges::max_element(
      elements, {}, [](const auto& type_and_count) { return type_and_count.second; });
  if (most == elements.end()) return std::nullopt;
  return most->first;
}

class GgufWriter final : public CheckpointWriter {
 public:
  GgufWriter(const std::filesystem::path& source, const CheckpointLocation& location,
             Overwrite overwrite)
      : source_(source), header_(read_gguf_header(source_)), output_(location.path, overwrite) {}

  void set_metadata(const std::map<std::string, std::string>& metadata) override {
    metadata_ = metadata;
  }

  void add(const TensorInfo& info) override {
    const bool is_foreign = info.dtype == DType::kOpaque;
    if (is_foreign ? info.opaque.family != OpaqueType::Family::kGguf || !opaque_type(info)
                   : gguf_type_of(info.dtype) == nullptr) {
      throw_cannot_hold("a GGUF file", info);
    }
    check_gguf_tensor(info);
    order_.add(info);
  }

  void write(std::span<const std::byte> values) override {
    if (values.empty()) return;
    order_.take(values.size());
    begin_once();
    output_.write(values);
  }

  void finish() override {
    order_.check_complete();
    begin_once();
    output_.finish();
  }

 private:
  static std::optional<std::uint32_t> opaque_type(const TensorInfo& info) {
    return gguf_type_id(info.opaque.name);
  }

  void begin_once() {
    if (output_.file_bytes() > 0) return;
    std::vector<GgufNewTensor> tensors;
    for (const TensorInfo& info : order_.tensors()) {
      const std::uint32_t type =
          info.dtype == DType::kOpaque ? opaque_type(info).value() : gguf_type_of(info.dtype)->id;
      tensors.push_back({info.name, info.shape, type, info.byte_size()});
    }
    std::vector<GgufNewEntry> entries = new_entries();
    if (const auto type = main_type(tensors)) {
      if (const GgufEncoder* encoder = find_gguf_encoder(*type)) {
        set_gguf_entry(&entries, gguf_number_entry("general.file_type", encoder->file_type));
      }
    }
    output_.begin(source_, entries, header_.alignment, std::move(tensors));
  }

  // What set_metadata was given: entries of the source whose text is the same keep their type and
  // value, others are strings.
  [[nodiscard]] std::vector<GgufNewEntry> new_entries() const {
    if (!metadata_) return copied_entries(header_);
    std::vector<GgufNewEntry> entries;
    std::map<std::string, std::string> left = *metadata_;
    for (const GgufEntry& entry : header_.entries) {
      const auto found = left.find(entry.key);
      const bool is_alignment = entry.key == kGgufAlignmentKey;
      if (is_alignment || (found != left.end() && found->second == entry.text)) {
        entries.push_back({entry.key, entry.type, {}, &entry});
      } else if (found != left.end()) {
        entries.push_back(gguf_string_entry(entry.key, found->second));
      }
      if (found != left.end()) left.erase(found);
    }
    for (const auto& [key, text] : left) entries.push_back(gguf_string_entry(key, text));
    return entries;
  }

  InputFile source_;
  GgufHeader header_;
  GgufOutput output_;
  std::optional<std::map<std::string, std::string>> metadata_;
  WriteOrder order_;
};

}  // namespace

std::unique_ptr<CheckpointWriter> create_gguf_like(const std::filesystem::path& source,
                                                   const CheckpointLocation& location,
                                                   Overwrite overwrite) {
  return std::make_unique<GgufWriter>(source, location, overwrite);
}

}  // namespace narrow
