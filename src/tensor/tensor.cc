#include "narrow/tensor.h"

#include <algorithm>
#include <array>

#include "base/checked.h"
#include "narrow/error.h"

namespace narrow {
namespace {

struct DTypeRow {
  std::string_view name;
  std::size_t size;
};

// In the order of DType.
constexpr std::array<DTypeRow, 24> kDTypes = {{
    {"float32", 4}, {"float64", 8},     {"float16", 2},     {"bfloat16", 2},  {"int8", 1},
    {"int16", 2},   {"int32", 4},       {"int64", 8},       {"uint8", 1},     {"uint16", 2},
    {"uint32", 4},  {"uint64", 8},      {"bool", 1},        {"complex64", 8}, {"complex128", 16},
    {"string", 0},  {"qint8", 1},       {"quint8", 1},      {"qint16", 2},    {"quint16", 2},
    {"qint32", 4},  {"float8_e4m3", 1}, {"float8_e5m2", 1}, {"opaque", 1},
}};

}  // namespace

std::string_view to_string(DType dtype) noexcept {
  return kDTypes[static_cast<std::size_t>(dtype)].name;
}

std::size_t element_size(DType dtype) noexcept {
  return kDTypes[static_cast<std::size_t>(dtype)].size;
}

bool is_floating_point(DType dtype) noexcept {
  return dtype == DType::kFloat32 || dtype == DType::kFloat64 || dtype == DType::kFloat16 ||
         dtype == DType::kBFloat16;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

std::uint64_t element_count(const Shape& shape) {
  const auto negative = [](std::int64_t dim) { return dim < 0; };
  if (std::ranges::any_of(shape, negative)) {
    throw Error(ErrorCategory::kCorrupt, "shape " + to_string(shape) + " has a negative dimension");
  }
  if (std::ranges::find(shape, 0) != shape.end()) return 0;
  std::uint64_t count = 1;
  for (const std::int64_t dim : shape) {
    if (!checked_mul(count, static_cast<std::uint64_t>(dim), &count) || count >> 63 != 0) {
      throw Error(ErrorCategory::kCorrupt,
                  "shape " + to_string(shape) + " has more elements than can be counted");
    }
  }
  return count;
}

std::uint64_t TensorInfo::byte_size() const {
  if (dtype == DType::kOpaque) return opaque.byte_size;
  std::uint64_t bytes = 0;
  if (!checked_mul(element_count(shape), std::uint64_t{element_size(dtype)}, &bytes)) {
    throw Error(ErrorCategory::kCorrupt, "tensor " + name + " of shape " + to_string(shape) +
                                             " has more bytes than can be counted");
  }
  return bytes;
}

std::string_view TensorInfo::type_name() const noexcept {
  return dtype == DType::kOpaque ? std::string_view(opaque.name) : to_string(dtype);
}

bool TensorInfo::same_tensor(const TensorInfo& other) const {
  return name == other.name && dtype == other.dtype && shape == other.shape &&
         opaque == other.opaque;
}

}  // namespace narrow
