#include "tasks/input_arrays.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "narrow/error.h"

namespace narrow {
namespace {

// False for a value that 63 bits do not hold.
template <typename Integer>
bool widen(std::span<const std::byte> values, std::vector<std::int64_t>& labels) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    Integer value = 0;
    std::memcpy(&value, values.data() + i * sizeof value, sizeof value);
    if (!std::in_range<std::int64_t>(value)) return false;
    labels[i] = static_cast<std::int64_t>(value);
  }
  return true;
}

bool widen_labels(const NamedArray& array, std::vector<std::int64_t>& labels) {
  switch (array.info.dtype) {
    case DType::kInt8:
      return widen<std::int8_t>(array.values, labels);
    case DType::kInt16:
      return widen<std::int16_t>(array.values, labels);
    case DType::kInt32:
      return widen<std::int32_t>(array.values, labels);
    case DType::kInt64:
      return widen<std::int64_t>(array.values, labels);
    case DType::kUInt8:
      return widen<std::uint8_t>(array.values, labels);
    case DType::kUInt16:
      return widen<std::uint16_t>(array.values, labels);
    case DType::kUInt32:
      return widen<std::uint32_t>(array.values, labels);
    case DType::kUInt64:
      return widen<std::uint64_t>(array.values, labels);
    default:
      return false;
  }
}

std::string shape_of(const TensorInfo& info) {
  return fmt::format("{}{}", info.type_name(), to_string(info.shape));
}

// open_checkpoint would look for the other files that a checkpoint of this name may have.
std::unique_ptr<CheckpointReader> open_arrays(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) {
    throw Error(
        ErrorCategory::kNotFound,
        fmt::format("there is no file {} of arrays (NPZ) for the network's inputs", path.string()));
  }
  return open_checkpoint(path);
}

}  // namespace

InputArrays::InputArrays(const std::filesystem::path& path) : reader_(open_arrays(path)) {
  const CheckpointFormat format = reader_->location().format;
  if (format == CheckpointFormat::kNpz) return;
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{} is a file of format {}; arrays for a network's inputs come as NPZ",
                          path.string(), to_string(format)));
}

void InputArrays::check_names(std::span<const std::string> inputs) const {
  const std::string file = reader_->location().path.string();
  for (const TensorInfo& array : arrays()) {
    if (array.name == kLabelsArray || std::ranges::find(inputs, array.name) != inputs.end()) {
      continue;
    }
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} has an array {}, but the network's inputs are {}", file, array.name,
                            fmt::join(inputs, ", ")));
  }
  for (const std::string& input : inputs) {
    if (reader_->find(input)) continue;
    throw Error(ErrorCategory::kNotFound,
                fmt::format("{} has no array for the network's input {}", file, input));
  }
}

NamedArray InputArrays::read_array(std::size_t index) const {
  const TensorInfo& info = arrays()[index];
  if (info.dtype == DType::kOpaque || info.dtype == DType::kString) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("the array {} of {} has the type {}, which no network is fed with",
                            info.name, reader_->location().path.string(), info.type_name()));
  }
  // The reader has compared the size with that of the archive's member.
  NamedArray array{info, std::vector<std::byte>(info.byte_size())};
  reader_->read(index, array.values);
  return array;
}

std::vector<NamedArray> InputArrays::read(std::span<const std::string> inputs) const {
  check_names(inputs);
  std::vector<NamedArray> found;
  for (const std::string& input : inputs) found.push_back(read_array(*reader_->find(input)));
  return found;
}

std::optional<std::vector<std::int64_t>> InputArrays::read_labels(std::uint64_t examples) const {
  const auto index = reader_->find(kLabelsArray);
  if (!index) return std::nullopt;
  const TensorInfo& info = arrays()[*index];
  const std::string file = reader_->location().path.string();
  if (info.shape.size() != 1 || element_count(info.shape) != examples) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the labels of {} are {}, and not one for each of the {} examples",
                            file, shape_of(info), examples));
  }
  std::vector<std::int64_t> labels(examples);
  if (!widen_labels(read_array(*index), labels)) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the labels of {} are {}; they have to be integers below 2^63", file,
                            shape_of(info)));
  }
  return labels;
}

std::uint64_t examples_of(std::span<const NamedArray> arrays) {
  const TensorInfo& first = arrays.front().info;
  for (const NamedArray& array : arrays) {
    if (array.info.shape.empty()) {
      throw Error(
          ErrorCategory::kUsage,
          fmt::format("the array {} is a single number, and has no examples", array.info.name));
    }
    if (array.info.shape.front() == first.shape.front()) continue;
    throw Error(ErrorCategory::kUsage,
                fmt::format("the arrays {} and {} have {} and {} examples", first.name,
                            array.info.name, first.shape.front(), array.info.shape.front()));
  }
  return static_cast<std::uint64_t>(first.shape.front());
}

}  // namespace narrow
