#include "checkpoint/npz/npy_header.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "base/bytes.h"
#include "checkpoint/npz/npy_literal.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
// NumPy itself refuses headers of more than 10,000 bytes unless told otherwise.
constexpr std::uint64_t kMaxHeaderBytes = 1 << 20;
constexpr std::size_t kAlignment = 64;
// NumPy leaves room for a first dimension of this many digits, so that a file can grow.
constexpr std::size_t kGrowthDigits = 21;
// Before NumPy 2.0; the limit is 64 since then.
constexpr std::size_t kMaxRank = 32;

struct NumpyType {
  std::string_view code;  // without byte order
  DType dtype;
  bool has_byte_order;
};

constexpr std::array<NumpyType, 14> kNumpyTypes = {{
    {"b1", DType::kBool, false},
    {"i1", DType::kInt8, false},
    {"i2", DType::kInt16, true},
    {"i4", DType::kInt32, true},
    {"i8", DType::kInt64, true},
    {"u1", DType::kUInt8, false},
    {"u2", DType::kUInt16, true},
    {"u4", DType::kUInt32, true},
    {"u8", DType::kUInt64, true},
    {"f2", DType::kFloat16, true},
    {"f4", DType::kFloat32, true},
    {"f8", DType::kFloat64, true},
    {"c8", DType::kComplex64, true},
    {"c16", DType::kComplex128, true},
}};

void set_type(std::string_view descr, const std::string& where, NpyHeader* header) {
  const bool has_order =
      !descr.empty() && std::string_view("<>|=").find(descr.front()) != std::string_view::npos;
  for (const NumpyType& type : kNumpyTypes) {
    if (!has_order || descr.substr(1) != type.code) continue;
    if (type.has_byte_order && descr.front() == '|') break;
    header->dtype = type.dtype;
    header->big_endian = type.has_byte_order && descr.front() == '>';
    return;
  }
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{} holds elements of NumPy type {}; only bool, integer, float and "
                          "complex arrays of up to 64 bits a number can be read",
                          where, descr.substr(0, 100)));
}

std::uint64_t read_header_length(const std::function<void(std::span<std::byte>)>& read,
                                 const std::string& where, std::uint64_t* prefix_bytes) {
  std::array<std::byte, 12> prefix{};
  read(std::span(prefix).first(8));
  const auto* text = reinterpret_cast<const char*>(prefix.data());
  if (std::string_view(text, kMagic.size()) != kMagic) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} does not begin with the NPY magic bytes", where));
  }
  const auto major = std::to_integer<unsigned>(prefix[6]);
  const auto minor = std::to_integer<unsigned>(prefix[7]);
  if (major < 1 || major > 3 || minor != 0) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} has NPY format version {}.{}; versions 1.0, 2.0 and 3.0 are known",
                            where, major, minor));
  }
  const std::size_t length_bytes = major == 1 ? 2 : 4;
  read(std::span(prefix).subspan(8, length_bytes));
  *prefix_bytes = 8 + length_bytes;
  return load_le<std::uint32_t>(prefix.data() + 8);  // the array is zero behind a short length
}

}  // namespace

NpyHeader parse_npy_literal(std::string_view literal, const std::string& where) {
  const NpyLiteral fields = read_npy_literal(literal, where);
  NpyHeader header;
  set_type(fields.descr, where, &header);
  header.fortran_order = fields.fortran_order;
  header.shape = fields.shape;
  return header;
}

NpyHeader read_npy_header(const std::function<void(std::span<std::byte>)>& read,
                          std::uint64_t source_bytes, const std::string& where) {
  std::uint64_t prefix_bytes = 12;
  if (source_bytes < prefix_bytes) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} has {} bytes, too few for an NPY header", where, source_bytes));
  }
  const std::uint64_t length = read_header_length(read, where, &prefix_bytes);
  if (length > kMaxHeaderBytes || length > source_bytes - prefix_bytes) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} announces an NPY header of {} bytes, but {} bytes follow and at "
                            "most {} are accepted",
                            where, length, source_bytes - prefix_bytes, kMaxHeaderBytes));
  }
  std::string literal(length, '\0');
  read(std::as_writable_bytes(std::span(literal)));
  NpyHeader header = parse_npy_literal(literal, where);
  header.header_bytes = prefix_bytes + length;
  std::uint64_t value_bytes = 0;
  try {
    value_bytes = TensorInfo{"", header.dtype, header.shape}.byte_size();
  } catch (const Error&) {
    throw Error(ErrorCategory::kCorrupt, fmt::format("{} has shape {}, which is impossible", where,
                                                     to_string(header.shape)));
  }
  if (value_bytes != source_bytes - header.header_bytes) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} has {} bytes of values, but {} {} needs {}: it is truncated or "
                            "damaged, or holds more than one array",
                            where, source_bytes - header.header_bytes, to_string(header.dtype),
                            to_string(header.shape), value_bytes));
  }
  return header;
}

std::string build_npy_header(const TensorInfo& info) {
  const NumpyType* numpy_type = nullptr;
  for (const NumpyType& type : kNumpyTypes) {
    if (type.dtype == info.dtype) numpy_type = &type;
  }
  if (numpy_type == nullptr) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("NumPy files cannot hold tensor {}, whose type is {}; use --format "
                            "safetensors or tf",
                            info.name, to_string(info.dtype)));
  }
  if (info.shape.size() > kMaxRank) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("NumPy arrays have at most {} dimensions, but tensor {} has {}; use "
                            "--format safetensors or tf",
                            kMaxRank, info.name, info.shape.size()));
  }
  std::string text = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                 numpy_type->has_byte_order ? '<' : '|', numpy_type->code,
                                 fmt::join(info.shape, ", "), info.shape.size() == 1 ? "," : "");
  if (!info.shape.empty()) {
    text.append(kGrowthDigits - std::to_string(info.shape.front()).size(), ' ');
  }
  const std::size_t prefix_bytes = kMagic.size() + 4;
  // NumPy pads by 1 to 64 spaces, never by none.
  text.append(kAlignment - (prefix_bytes + text.size() + 1) % kAlignment, ' ');
  text += '\n';
  std::string header = std::string(kMagic) + std::string("\x01\x00", 2) + std::string(2, '\0');
  store_le(header.data() + kMagic.size() + 2, static_cast<std::uint16_t>(text.size()));
  return header + text;
}

}  // namespace narrow
