#include "checkpoint/gguf/gguf_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <string>
#include <unordered_set>

#include "base/checked.h"
#include "base/utf8.h"
#include "checkpoint/gguf/gguf_types.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::uint32_t kMostDimensions = 254;
constexpr std::uint64_t kLongestName = 65'535;
// Key, type and the smallest value; name, number of dimensions, type and place.
constexpr std::uint64_t kLeastEntryBytes = 8 + 4 + 1;
constexpr std::uint64_t kLeastTensorBytes = 8 + 4 + 4 + 8;

void check_version(std::uint32_t version, const std::string& path) {
  if (version == 2 || version == kGgufVersion) return;
  std::string problem = fmt::format("is of version {}; versions 2 and 3 are read", version);
  if (version == 1) {
    problem = "is of version 1, which llama.cpp does not read either; versions 2 and 3 are read";
  } else if ((version & 0xffff) == 0) {
    problem =
        "is big-endian; only little-endian files are read: convert it with the script "
        "gguf_convert_endian of the Python package gguf";
  }
  throw Error(ErrorCategory::kUnsupported, fmt::format("the GGUF file {} {}", path, problem));
}

// Reads the parts of one file in their order.
class HeaderParser {
 public:
  explicit HeaderParser(const InputFile& file) : file_(file), cursor_(file) {}

  GgufHeader parse() {
    cursor_.skip(kGgufMagic.size());
    check_version(cursor_.number<std::uint32_t>(), file_.path().string());
    const std::uint64_t tensors = cursor_.count(kLeastTensorBytes, "tensors");
    const std::uint64_t entries = cursor_.count(kLeastEntryBytes, "entries of metadata");
    for (std::uint64_t i = 0; i < entries; ++i) read_entry();
    for (std::uint64_t i = 0; i < tensors; ++i) read_tensor();
    place_tensors();
    return std::move(header_);
  }

 private:
  [[noreturn]] void refuse(const TensorInfo& info, const std::string& problem) const {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} is damaged: tensor {} {}; fetch the file again",
                            file_.path().string(), shown(info.name), problem));
  }

  void read_entry();
  void read_tensor();
  void set_type(GgufTensor* tensor) const;
  void place_tensors();

  const InputFile& file_;
  GgufCursor cursor_;
  GgufHeader header_;
  std::unordered_set<std::string> keys_;
  std::unordered_set<std::string> names_;
};

void HeaderParser::read_entry() {
  GgufEntry entry = read_gguf_entry(cursor_);
  if (!keys_.insert(entry.key).second) {
    cursor_.refuse(fmt::format("the metadata has the key {} twice", shown(entry.key)));
  }
  if (entry.key == kGgufAlignmentKey) {
    header_.alignment = gguf_number(entry).value_or(0);
    if (!std::has_single_bit(header_.alignment)) {
      cursor_.refuse(fmt::format("{} is {} instead of a power of two as uint32", entry.key,
                                 shown(entry.text)));
    }
  }
  header_.entries.push_back(std::move(entry));
}

void HeaderParser::read_tensor() {
  GgufTensor tensor;
  TensorInfo& info = tensor.info;
  info.name = cursor_.text(kLongestName);
  if (!names_.insert(info.name).second) {
    cursor_.refuse(fmt::format("there are two tensors {}", shown(info.name)));
  }
  const auto dimensions = cursor_.number<std::uint32_t>();
  if (dimensions > kMostDimensions) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("tensor {} of {} has {} dimensions; at most {} are read",
                            shown(info.name), file_.path().string(), dimensions, kMostDimensions));
  }
  std::uint64_t elements = 1;
  bool fits = true;
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const auto length = cursor_.number<std::uint64_t>();
    fits = fits && length <= std::numeric_limits<std::int64_t>::max();
    info.shape.push_back(static_cast<std::int64_t>(length));
    fits = checked_mul(elements, length, &elements) && fits;
  }
  // Of 8 bytes each, and as a signed number.
  if (!fits || elements > std::uint64_t{1} << 60) refuse(info, "has too many elements");
  std::ranges::reverse(info.shape);
  tensor.type = cursor_.number<std::uint32_t>();
  tensor.begin = cursor_.number<std::uint64_t>();
  set_type(&tensor);
  header_.tensors.push_back(std::move(tensor));
}

void HeaderParser::set_type(GgufTensor* tensor) const {
  TensorInfo& info = tensor->info;
  const GgufType* type = find_gguf_type(tensor->type);
  info.dtype = type != nullptr ? type->dtype : DType::kOpaque;
  if (type != nullptr) {
    const std::int64_t row = info.shape.empty() ? 1 : info.shape.back();
    if (row % type->block_values != 0) {
      refuse(info, fmt::format("has rows of {} values, which are no blocks of {} of the type {}",
                               row, type->block_values, type->name));
    }
    tensor->size = element_count(info.shape) / type->block_values * type->block_bytes;
  }
  const std::string name = gguf_type_name(tensor->type);
  if (info.dtype == DType::kOpaque) {
    info.opaque = {OpaqueType::Family::kGguf, name, tensor->size, false};
  } else if (type->decode != nullptr) {
    info.stored_as = name;
  }
}

// Offsets become places in the file. The size of a tensor of unknown type is what lies between it
// and the next.
void HeaderParser::place_tensors() {
  const std::uint64_t data = gguf_aligned(cursor_.position(), header_.alignment);
  std::vector<GgufTensor*> order;
  for (GgufTensor& tensor : header_.tensors) {
    if (tensor.begin % header_.alignment != 0) {
      refuse(tensor.info, fmt::format("begins at byte {} of the data, which is no multiple of {}",
                                      tensor.begin, header_.alignment));
    }
    if (data > file_.size() || !range_fits(tensor.begin, tensor.size, file_.size() - data)) {
      refuse(tensor.info, fmt::format("of {} bytes at byte {} of the data does not lie in the file "
                                      "of {} bytes",
                                      tensor.size, tensor.begin, file_.size()));
    }
    tensor.begin += data;
    order.push_back(&tensor);
  }
  std::ranges::sort(
      order, {}, [](const GgufTensor* tensor) { return std::pair(tensor->begin, tensor->size); });
  for (std::size_t i = 0; i < order.size(); ++i) {
    GgufTensor& tensor = *order[i];
    const std::uint64_t end = i + 1 < order.size() ? order[i + 1]->begin : file_.size();
    if (find_gguf_type(tensor.type) == nullptr) {
      tensor.size = end - tensor.begin;
      tensor.info.opaque.byte_size = tensor.size;
    }
    if (tensor.begin + tensor.size > end) {
      refuse(tensor.info, fmt::format("at byte {} overlaps the next one", tensor.begin));
    }
  }
}

}  // namespace

std::uint64_t gguf_aligned(std::uint64_t value, std::uint64_t alignment) {
  std::uint64_t sum = 0;
  return checked_add(value, alignment - 1, &sum) ? sum & ~(alignment - 1) : value;
}

GgufHeader read_gguf_header(const InputFile& file) { return HeaderParser(file).parse(); }

}  // namespace narrow
