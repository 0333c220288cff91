#include "checkpoint/onnx/onnx_tensor_scan.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "base/checked.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// Fields of TensorProto besides those of OnnxField.
constexpr std::uint32_t kDims = 1;
constexpr std::uint32_t kDataType = 2;
constexpr std::uint32_t kSegment = 3;
constexpr std::uint32_t kName = 8;
constexpr std::uint32_t kExternalData = 13;
constexpr std::uint32_t kDataLocation = 14;
constexpr std::size_t kMostDims = 254;
constexpr unsigned kMostVarintBytes = 10;
constexpr std::string_view kVarintNumbers = "numbers of variable length";

class TensorScan {
 public:
  TensorScan(WireCursor& cursor, std::size_t message, std::vector<OnnxMessage>& messages)
      : cursor_(cursor), messages_(messages) {
    tensor_.message = message;
  }

  OnnxTensor scan() {
    while (!cursor_.at_end()) {
      const std::uint64_t begin = cursor_.position();
      const WireTag tag = cursor_.tag();
      scan_field(begin, tag);
    }
    set_type();
    check_values();
    return std::move(tensor_);
  }

 private:
  [[noreturn]] void refuse(std::string_view problem,
                           ErrorCategory category = ErrorCategory::kCorrupt) const {
    throw Error(category,
                fmt::format("tensor '{}' of {}, which ends at byte {}, {}", tensor_.info.name,
                            cursor_.file().path().string(), cursor_.end(), problem));
  }

  void scan_field(std::uint64_t begin, WireTag tag) {
    const bool is_bytes = tag.kind == WireKind::kBytes;
    const bool is_varint = tag.kind == WireKind::kVarint;
    if (tag.number == kDims) return scan_dims(tag);
    if (tag.number == kDataType && is_varint) {
      data_type_ = static_cast<std::int64_t>(cursor_.varint());
    } else if (tag.number == kSegment) {
      refuse("is a segment of a tensor", ErrorCategory::kUnsupported);
    } else if (tag.number == kName && is_bytes) {
      tensor_.info.name = cursor_.text(cursor_.length());
    } else if (tag.number == kExternalData && is_bytes) {
      scan_external(begin);
    } else if (tag.number == kDataLocation && is_varint) {
      is_external_ = cursor_.varint() == 1;
    } else if (to_string(static_cast<OnnxField>(tag.number)) != "no field" && tag.number < 16) {
      scan_values(begin, tag);
    } else {
      cursor_.skip_value(tag.kind);
    }
  }

  void add_dim() {
    const auto dim = static_cast<std::int64_t>(cursor_.varint());
    if (dim < 0) refuse(fmt::format("has a dimension of {}", dim));
    if (tensor_.info.shape.size() == kMostDims) refuse("has too many dimensions");
    tensor_.info.shape.push_back(dim);
  }

  void scan_dims(WireTag tag) {
    if (tag.kind == WireKind::kVarint) return add_dim();
    if (tag.kind != WireKind::kBytes) cursor_.refuse("the dimensions of a tensor are no numbers");
    const std::uint64_t end = cursor_.length() + cursor_.position();
    while (cursor_.position() < end) add_dim();
    if (cursor_.position() != end) cursor_.refuse("a dimension of a tensor is cut off");
  }

  std::optional<std::uint64_t> number_of(std::string_view what, const std::string& text) const {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stop != end) {
      refuse(
          fmt::format("has the {} '{}' of external data, which is no number of bytes", what, text));
    }
    return number;
  }

  void scan_external(std::uint64_t begin) {
    OnnxExternal& external = tensor_.external;
    const std::uint64_t end = cursor_.length() + cursor_.position();
    const std::uint64_t outer = cursor_.end();
    cursor_.move_to(cursor_.position(), end);
    std::string key;
    std::string value;
    while (!cursor_.at_end()) {
      const WireTag tag = cursor_.tag();
      const bool is_text = tag.kind == WireKind::kBytes && tag.number <= 2;
      if (is_text) {
        (tag.number == 1 ? key : value) = cursor_.text(cursor_.length());
      } else {
        cursor_.skip_value(tag.kind);
      }
    }
    cursor_.move_to(end, outer);
    if (external.fields.size() == 0) external.fields.begin = external.fields.end = begin;
    if (external.fields.end != begin) {
      refuse("has other fields between those of its external data", ErrorCategory::kUnsupported);
    }
    external.fields.end = end;
    if (key == "location") external.location = value;
    external.has_checksum |= key == "checksum";
    if (key == "offset") external.offset = number_of(key, value);
    if (key == "length") external.length = number_of(key, value);
  }

  // A field with values. Of those with a tag before each number a run without gaps is one piece.
  void scan_values(std::uint64_t begin, WireTag tag) {
    const auto field = static_cast<OnnxField>(tag.number);
    const bool is_string = field == OnnxField::kString;
    if (tag.kind == WireKind::kBytes && !is_string) {
      const std::uint64_t length_at = cursor_.position();
      const std::uint64_t size = cursor_.length();
      const FileRange content{cursor_.position(), cursor_.position() + size};
      cursor_.skip(size);
      if (size == 0) return;
      begin_piece(field);
      tensor_.values = content;
      messages_.push_back({length_at, content, tensor_.message});
      tensor_.message = messages_.size() - 1;
      return;
    }
    const bool is_wire_kind_right = tag.kind == (is_string                     ? WireKind::kBytes
                                                 : field == OnnxField::kFloat  ? WireKind::kFixed32
                                                 : field == OnnxField::kDouble ? WireKind::kFixed64
                                                                               : WireKind::kVarint);
    if (!is_wire_kind_right || field == OnnxField::kRaw) {
      refuse(fmt::format("has something in {} that does not belong there", to_string(field)));
    }
    cursor_.skip_value(tag.kind);
    const bool goes_on = tensor_.is_tagged && tensor_.field == field && tensor_.values.end == begin;
    if (!goes_on) begin_piece(field);
    if (!goes_on) tensor_.values.begin = begin;
    tensor_.values.end = cursor_.position();
    tensor_.is_tagged = true;
    ++entries_;
  }

  void begin_piece(OnnxField field) {
    if (tensor_.field != OnnxField::kNone) {
      refuse("has its values in several pieces", ErrorCategory::kUnsupported);
    }
    tensor_.field = field;
  }

  // Type and size as the shape demands them.
  void set_type() {
    TensorInfo& info = tensor_.info;
    const OnnxType* const type = find_onnx_type(data_type_);
    std::uint64_t elements = 1;
    bool is_empty = false;
    for (const std::int64_t dim : info.shape) is_empty |= dim == 0;
    for (const std::int64_t dim : info.shape) {
      const auto size = static_cast<std::uint64_t>(dim);
      if (is_empty || (checked_mul(elements, size, &elements) && elements >> 59 == 0)) continue;
      refuse(
          fmt::format("has the shape {}, whose elements cannot be counted", to_string(info.shape)));
    }
    if (is_empty) elements = 0;
    if (type == nullptr) return set_unknown_type();
    info.dtype = type->dtype;
    std::uint64_t bits = 0;
    if (!checked_mul(elements, std::uint64_t{type->bits}, &bits) || bits > UINT64_MAX - 7) {
      refuse(fmt::format("has the shape {}, whose bytes cannot be counted", to_string(info.shape)));
    }
    tensor_.stored_bytes = (bits + 7) / 8;
    tensor_.entry_bytes = type->entry_bytes();
    tensor_.is_signed = type->is_signed;
    if (info.dtype == DType::kOpaque) {
      info.opaque = {.family = OpaqueType::Family::kOnnx,
                     .name = std::string(type->name),
                     .byte_size = tensor_.stored_bytes};
    }
    const bool fits = tensor_.field == OnnxField::kNone || tensor_.field == type->field ||
                      (tensor_.field == OnnxField::kRaw && info.dtype != DType::kString);
    if (!fits) {
      refuse(
          fmt::format("is of type {}, but has values in {}", type->name, to_string(tensor_.field)));
    }
    strings_ = info.dtype == DType::kString ? elements : 0;
  }

  // A type that nobody here knows: what is there is taken as bytes.
  void set_unknown_type() {
    if (data_type_ <= 0) refuse(fmt::format("has the type {}, which is none", data_type_));
    if (is_external_ && !tensor_.external.length) {
      refuse("is of a type without known size, and its external data has no length");
    }
    if (tensor_.is_tagged ||
        (tensor_.field != OnnxField::kNone && tensor_.field != OnnxField::kRaw)) {
      refuse(fmt::format("is of type {} and has its values in {}; of types that this version does "
                         "not know only raw_data is read",
                         data_type_, to_string(tensor_.field)),
             ErrorCategory::kUnsupported);
    }
    tensor_.stored_bytes = is_external_ ? *tensor_.external.length : tensor_.values.size();
    tensor_.info.dtype = DType::kOpaque;
    tensor_.info.opaque = {.family = OpaqueType::Family::kOnnx,
                           .name = fmt::format("type {}", data_type_),
                           .byte_size = tensor_.stored_bytes};
  }

  void check_values() {
    if (is_external_) return check_external();
    const std::uint64_t found = tensor_.values.size();
    const std::uint64_t needed = tensor_.stored_bytes;
    if (tensor_.info.dtype == DType::kString) {
      if (entries_ != strings_) refuse_size(entries_, strings_, "strings");
      if (entries_ > 0) tensor_.storage = OnnxStorage::kStrings;
      return;
    }
    const std::uint64_t numbers = needed / tensor_.entry_bytes;
    const bool is_varint = tensor_.field == OnnxField::kInt32 ||
                           tensor_.field == OnnxField::kInt64 ||
                           tensor_.field == OnnxField::kUInt64;
    if (tensor_.is_tagged && entries_ != numbers) refuse_size(entries_, numbers, "numbers");
    if (is_varint) {
      tensor_.storage = OnnxStorage::kVarints;
      if (tensor_.is_tagged) return;
      const std::uint64_t least = (found + kMostVarintBytes - 1) / kMostVarintBytes;
      if (numbers > found || numbers < least) {
        refuse_size(found, numbers, kVarintNumbers);
      }
      return;
    }
    if (tensor_.is_tagged) {
      tensor_.storage = OnnxStorage::kFixed;
      return;
    }
    if (found != needed) refuse_size(found, needed, "bytes");
    if (found > 0) tensor_.storage = OnnxStorage::kBytes;
  }

  [[noreturn]] void refuse_size(std::uint64_t found, std::uint64_t needed,
                                std::string_view what) const {
    refuse(fmt::format("has {} {} of values, but its shape {} and type {} demand {} {}", found,
                       what == kVarintNumbers ? "bytes" : what, to_string(tensor_.info.shape),
                       tensor_.info.type_name(), needed, what));
  }

  void check_external() {
    const OnnxExternal& external = tensor_.external;
    if (tensor_.field != OnnxField::kNone) refuse("has values both here and in another file");
    if (external.fields.size() == 0) refuse("has external data without a location");
    if (tensor_.info.dtype == DType::kString) {
      refuse("has strings in another file", ErrorCategory::kUnsupported);
    }
    if (external.length && *external.length != tensor_.stored_bytes) {
      refuse_size(*external.length, tensor_.stored_bytes, "bytes");
    }
    tensor_.storage = OnnxStorage::kExternal;
  }

  WireCursor& cursor_;
  std::vector<OnnxMessage>& messages_;
  OnnxTensor tensor_;
  std::int64_t data_type_ = 0;
  bool is_external_ = false;
  std::uint64_t entries_ = 0;  // with a tag each
  std::uint64_t strings_ = 0;  // that the shape demands
};

}  // namespace

OnnxTensor scan_onnx_tensor(WireCursor& cursor, std::size_t message,
                            std::vector<OnnxMessage>& messages) {
  return TensorScan(cursor, message, messages).scan();
}

}  // namespace narrow
