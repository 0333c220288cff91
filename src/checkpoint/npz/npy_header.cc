#include "checkpoint/npz/npy_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/bytes.h"
#include "checkpoint/npz/npy_literal.h"
#include "checkpoint/npz/npy_types.h"
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

std::string latin1_to_utf8(std::string_view text) {
  std::string utf8;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      utf8 += c;
    } else {
      utf8 += static_cast<char>(0xc0 | byte >> 6);
      utf8 += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return utf8;
}

std::uint64_t read_header_length(const std::function<void(std::span<std::byte>)>& read,
                                 const std::string& where, std::uint64_t* prefix_bytes,
                                 unsigned* version) {
  std::array<std::byte, 12> prefix{};
  read(std::span(prefix).first(8));
  const auto* text = reinterpret_cast<const char*>(prefix.data());
  if (std::string_view(text, kMagic.size()) != kMagic) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} does not begin with the NPY magic bytes", where));
  }
  const auto major = std::to_integer<unsigned>(prefix[6]);
  *version = major;
  const auto minor = std::to_integer<unsigned>(prefix[7]);
  if (major < 1 || major > 3 || minor != 0) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} has NPY format version {}.{}; versions 1.0, 2.0 and 3.0 are known",
                            where, major, minor));
  }
  const std::size_t length_bytes = major == 1 ? 2 : 4;
  read(std::span(prefix).subspan(8, length_bytes));
  *prefix_bytes = 8 + length_bytes;
  return load_le<std::uint32_t>(prefix.data() + 8);  // the array is zero after a short length
}

// Checks that the values of an array fill `bytes`.
void check_value_bytes(const NpyHeader& header, std::uint64_t bytes, const std::string& where) {
  const TensorInfo info{"", header.dtype, header.shape, header.opaque};
  std::uint64_t needed = 0;
  try {
    needed = npy_value_bytes(info);
  } catch (const Error&) {
    throw Error(ErrorCategory::kCorrupt, fmt::format("{} has shape {}, which is impossible", where,
                                                     to_string(header.shape)));
  }
  if (needed == bytes) return;
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("{} has {} bytes of values, but {} {} needs {}: it is truncated or "
                          "damaged, or holds more than one array",
                          where, bytes, info.type_name(), to_string(header.shape), needed));
}

// Checks that a header that is to be written is read as what it was made of: the name of an opaque
// type comes from a file.
void check_descr(const std::string& literal, const TensorInfo& info) {
  const std::string where = fmt::format("the type {} of tensor {}", info.type_name(), info.name);
  const NpyHeader header = parse_npy_literal(literal, where);
  if (header.shape == info.shape && header.opaque.name == info.opaque.name) return;
  throw Error(ErrorCategory::kCorrupt, fmt::format("{} is none of NumPy's", where));
}

}  // namespace

NpyHeader parse_npy_literal(std::string_view literal, const std::string& where) {
  const NpyLiteral fields = read_npy_literal(literal, where);
  NpyHeader header;
  set_npy_type(fields, where, &header);
  header.fortran_order = fields.fortran_order;
  header.shape = fields.shape;
  return header;
}

NpyHeader read_npy_header(const std::function<void(std::span<std::byte>)>& read,
                          std::uint64_t source_bytes, const std::string& where) {
  std::uint64_t prefix_bytes = 12;
  unsigned version = 0;
  if (source_bytes < prefix_bytes) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} has {} bytes, too few for an NPY header", where, source_bytes));
  }
  const std::uint64_t length = read_header_length(read, where, &prefix_bytes, &version);
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
  if (header.dtype == DType::kOpaque) {
    header.opaque.byte_size = source_bytes - header.header_bytes;
    // Before version 3 the text is Latin-1.
    if (version < 3) header.opaque.name = latin1_to_utf8(header.opaque.name);
  }
  check_value_bytes(header, source_bytes - header.header_bytes, where);
  return header;
}

std::string build_npy_header(const TensorInfo& info) {
  const std::string descr = npy_descr(info);
  const bool column_major = info.opaque.column_major;
  if (info.shape.size() > kMaxRank) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("NumPy arrays have at most {} dimensions, but tensor {} has {}",
                            kMaxRank, info.name, info.shape.size()),
                {Remedy::Kind::kOtherFormat, "safetensors or tf"});
  }
  std::string text = fmt::format("{{'descr': {}, 'fortran_order': {}, 'shape': ({}{}), }}", descr,
                                 column_major ? "True" : "False", fmt::join(info.shape, ", "),
                                 info.shape.size() == 1 ? "," : "");
  if (info.dtype == DType::kOpaque) check_descr(text, info);
  if (!info.shape.empty()) {
    const std::int64_t growing = column_major ? info.shape.back() : info.shape.front();
    text.append(kGrowthDigits - std::to_string(growing).size(), ' ');
  }
  // The first version has 2 bytes for the length and no letters beyond ASCII that we keep.
  const bool ascii = std::ranges::all_of(descr, [](char c) { return (c & 0x80) == 0; });
  const bool is_long = text.size() + kAlignment > UINT16_MAX;
  const std::size_t length_bytes = ascii && !is_long ? 2 : 4;
  const char version = !ascii ? 3 : is_long ? 2 : 1;
  const std::size_t prefix_bytes = kMagic.size() + 2 + length_bytes;
  // NumPy pads by 1 to 64 spaces, never by none.
  text.append(kAlignment - (prefix_bytes + text.size() + 1) % kAlignment, ' ');
  text += '\n';
  std::string header = std::string(kMagic) + version + '\0' + std::string(4, '\0');
  store_le(header.data() + kMagic.size() + 2, static_cast<std::uint32_t>(text.size()));
  header.resize(prefix_bytes);
  return header + text;
}

}  // namespace narrow
