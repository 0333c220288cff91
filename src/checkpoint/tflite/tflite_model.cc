#include "checkpoint/tflite/tflite_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/checked.h"
#include "checkpoint/tflite/flat_file.h"
#include "checkpoint/tflite/tflite_types.h"
#include "checkpoint/tflite/tflite_weights.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::uint32_t kVersion = 3;
constexpr std::size_t kMostDims = 254;
// What a tensor costs here; in the file it takes about 50 bytes.
constexpr std::uint64_t kTensorBytes = 128;

// The numbers of fields.
namespace model_field {
constexpr unsigned kVersion = 0;
constexpr unsigned kOperatorCodes = 1;
constexpr unsigned kSubgraphs = 2;
constexpr unsigned kBuffers = 4;
}  // namespace model_field
namespace subgraph_field {
constexpr unsigned kTensors = 0;
constexpr unsigned kOperators = 3;
}  // namespace subgraph_field
namespace tensor_field {
constexpr unsigned kShape = 0;
constexpr unsigned kType = 1;
constexpr unsigned kBuffer = 2;
constexpr unsigned kName = 3;
constexpr unsigned kQuantization = 4;
constexpr unsigned kSparsity = 6;
}  // namespace tensor_field
namespace quantization_field {
constexpr unsigned kScale = 2;
constexpr unsigned kZeroPoint = 3;
constexpr unsigned kDetailsType = 4;
constexpr unsigned kDimension = 6;
}  // namespace quantization_field

class Scanner {
 public:
  explicit Scanner(const InputFile& file) : file_(file), flat_(file) {}

  std::vector<TfliteTensor> scan() {
    const FlatTable model = FlatTable::at(flat_, 0);
    const auto version = model.scalar<std::uint32_t>(model_field::kVersion, 0);
    if (version != kVersion) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("{} is a TFLite model of version {}; only version {} is known",
                              file_.path().string(), version, kVersion));
    }
    buffers_ = offsets(model, model_field::kBuffers);
    const std::vector<std::int32_t> codes =
        read_operator_codes(flat_, offsets(model, model_field::kOperatorCodes));
    const FlatVector subgraphs = offsets(model, model_field::kSubgraphs);
    for (std::uint32_t i = 0; i < subgraphs.count; ++i) {
      const FlatTable subgraph = FlatTable::at(flat_, subgraphs.offset + 4 * std::uint64_t{i});
      const TensorPositions positions =
          scan_tensors(offsets(subgraph, subgraph_field::kTensors), i);
      mark_tflite_weights(flat_, offsets(subgraph, subgraph_field::kOperators), codes, positions,
                          tensors_);
    }
    return std::move(tensors_);
  }

 private:
  // A vector of tables.
  FlatVector offsets(const FlatTable& table, unsigned field) {
    const FlatVector found = table.vector(field, sizeof(std::uint32_t));
    flat_.charge(found.count * sizeof(std::uint32_t));
    return found;
  }

  TensorPositions scan_tensors(FlatVector tables, std::uint32_t subgraph) {
    TensorPositions positions(tables.count, kNoTensor);
    for (std::uint32_t i = 0; i < tables.count; ++i) {
      const FlatTable table = FlatTable::at(flat_, tables.offset + 4 * std::uint64_t{i});
      TfliteTensor tensor;
      if (!find_values(table, tensor)) continue;
      flat_.charge(kTensorBytes);
      tensor.info.name = table.text(tensor_field::kName);
      if (tensor.info.name.empty()) tensor.info.name = fmt::format("tensor_{}", i);
      tensor.info.use = TensorUse::kOther;
      scan_shape(table, tensor.info);
      set_type(table, tensor);
      tensor.info.name = unique_name(tensor.info.name, subgraph);
      positions[i] = tensors_.size();
      tensors_.push_back(std::move(tensor));
    }
    return positions;
  }

  // Whether the buffer of a tensor has bytes, and where.
  bool find_values(const FlatTable& table, TfliteTensor& tensor) {
    constexpr unsigned kData = 0;
    constexpr unsigned kOffset = 1;
    constexpr unsigned kSize = 2;
    const auto index = table.scalar<std::uint32_t>(tensor_field::kBuffer, 0);
    if (index == 0) return false;  // by agreement the buffer without bytes
    if (index >= buffers_.count) {
      flat_.refuse(table.offset(),
                   fmt::format("a tensor has the buffer {} of {}", index, buffers_.count));
    }
    const FlatTable buffer = FlatTable::at(flat_, buffers_.offset + 4 * std::uint64_t{index});
    const FlatVector data = buffer.vector(kData, 1);
    tensor.offset = data.offset;
    tensor.bytes = data.count;
    // Of a model of more than 2 GiB the values lie behind the tables; 0 and 1 are no places.
    const auto offset = buffer.scalar<std::uint64_t>(kOffset, 0);
    if (data.count == 0 && offset > 1) {
      tensor.offset = offset;
      tensor.bytes = buffer.scalar<std::uint64_t>(kSize, 0);
      flat_.check_range(tensor.offset, tensor.bytes);
    }
    return tensor.bytes > 0;
  }

  void scan_shape(const FlatTable& table, TensorInfo& info) {
    const FlatVector shape = table.vector(tensor_field::kShape, sizeof(std::int32_t));
    if (shape.count > kMostDims) {
      refuse(info, fmt::format("has {} dimensions, more than {}", shape.count, kMostDims));
    }
    flat_.charge(shape.count * sizeof(std::int32_t));
    for (std::uint32_t i = 0; i < shape.count; ++i) {
      info.shape.push_back(flat_.scalar<std::int32_t>(shape.offset + 4 * std::uint64_t{i}));
      if (info.shape.back() < 0) refuse(info, "has a dimension below 0");
    }
  }

  void set_type(const FlatTable& table, TfliteTensor& tensor) {
    const int number = table.scalar<std::int8_t>(tensor_field::kType, 0);
    const TfliteType* const type = find_tflite_type(number);
    std::string name(type == nullptr ? fmt::format("type {}", number) : std::string(type->name));
    const auto quantization = table.table(tensor_field::kQuantization);
    const auto details =
        quantization ? quantization->scalar<std::uint8_t>(quantization_field::kDetailsType, 0)
                     : std::uint8_t{0};
    const auto sparsity = table.table(tensor_field::kSparsity);
    if (sparsity) name = "sparse " + name;
    if (type == nullptr || type->dtype == DType::kOpaque) {
      set_opaque(tensor, std::move(name));
    } else if (details != 0) {
      set_opaque(tensor, fmt::format("{} with quantization of kind {}", name, details));
    } else if (sparsity) {
      set_sparse(*sparsity, *type, has_scales(quantization), std::move(name), tensor);
    } else {
      check_bytes(tensor, *type);
      tensor.info.dtype = type->dtype;
      if (type->may_be_codes) set_codes(quantization, *type, tensor);
    }
  }

  static bool has_scales(const std::optional<FlatTable>& quantization) {
    return quantization &&
           quantization->vector(quantization_field::kScale, sizeof(float)).count > 0;
  }

  // Sparse codes, and what is much larger than the file, are only listed.
  static void set_sparse(const FlatTable& sparsity, const TfliteType& type, bool is_quantized,
                         std::string name, TfliteTensor& tensor) {
    constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;
    std::uint64_t bytes = type.bits / 8;
    bool is_small = type.bits >= 8;
    for (const std::int64_t dim : tensor.info.shape) {
      is_small = is_small && checked_mul(bytes, static_cast<std::uint64_t>(dim), &bytes) &&
                 bytes <= kMostBytes;
    }
    if (!is_small || is_quantized || tensor.bytes % (type.bits / 8) != 0) {
      return set_opaque(tensor, std::move(name));
    }
    tensor.info.dtype = type.dtype;
    tensor.info.stored_as = std::move(name);
    tensor.sparsity = sparsity.offset();
  }

  static void set_opaque(TfliteTensor& tensor, std::string name) {
    tensor.info.dtype = DType::kOpaque;
    tensor.info.opaque = {
        .family = OpaqueType::Family::kTflite, .name = std::move(name), .byte_size = tensor.bytes};
  }

  void check_bytes(const TfliteTensor& tensor, const TfliteType& type) const {
    std::uint64_t bits = type.bits;
    const bool is_empty = std::ranges::find(tensor.info.shape, 0) != tensor.info.shape.end();
    for (const std::int64_t dim : tensor.info.shape) {
      if (is_empty) bits = 0;
      if (checked_mul(bits, static_cast<std::uint64_t>(dim), &bits) && bits >> 60 == 0) continue;
      refuse(tensor.info, fmt::format("has the shape {}, whose bytes cannot be counted",
                                      to_string(tensor.info.shape)));
    }
    if ((bits + 7) / 8 == tensor.bytes) return;
    refuse(tensor.info,
           fmt::format("has {} bytes of values, but its shape {} and type {} demand {}",
                       tensor.bytes, to_string(tensor.info.shape), type.name, (bits + 7) / 8));
  }

  void set_codes(const std::optional<FlatTable>& quantization, const TfliteType& type,
                 TfliteTensor& tensor) {
    TensorInfo& info = tensor.info;
    TfliteCodes& codes = tensor.codes;
    const FlatVector scales = quantization
                                  ? quantization->vector(quantization_field::kScale, sizeof(float))
                                  : FlatVector();
    if (scales.count == 0 && type.bits >= 8) return;
    codes.bits = type.bits;
    codes.is_signed = type.dtype != DType::kUInt8 && type.dtype != DType::kUInt16;
    info.stored_as = type.name;
    if (scales.count == 0) return;
    info.dtype = DType::kFloat32;
    const FlatVector zeros =
        quantization->vector(quantization_field::kZeroPoint, sizeof(std::int64_t));
    codes.scales_offset = scales.offset;
    codes.scales = scales.count;
    codes.zeros_offset = zeros.offset;
    codes.zeros = zeros.count;
    if (zeros.count > 1 && zeros.count != scales.count) {
      refuse(info, fmt::format("has {} scales, but {} zero points", scales.count, zeros.count));
    }
    if (scales.count > 1) {
      set_axis(quantization->scalar<std::int32_t>(quantization_field::kDimension, 0), tensor);
    }
  }

  void set_axis(std::int32_t axis, TfliteTensor& tensor) const {
    const Shape& shape = tensor.info.shape;
    if (axis < 0 || axis >= std::ssize(shape) ||
        shape[static_cast<std::size_t>(axis)] != tensor.codes.scales) {
      refuse(tensor.info,
             fmt::format("of shape {} has {} scales along axis {}, where they do not fit",
                         to_string(shape), tensor.codes.scales, axis));
    }
    for (std::size_t i = static_cast<std::size_t>(axis) + 1; i < shape.size(); ++i) {
      tensor.codes.inner *= static_cast<std::uint64_t>(shape[i]);  // less than all elements
    }
  }

  // Tensors of several subgraphs may have one name, and those of one too.
  std::string unique_name(std::string name, std::uint32_t subgraph) {
    if (subgraph > 0 && names_.contains(name)) {
      name = fmt::format("subgraph_{}/{}", subgraph, name);
    }
    std::string unique = name;
    while (!names_.insert(unique).second) {
      int& count = wanted_.try_emplace(name, 1).first->second;
      unique = fmt::format("{}#{}", name, ++count);
    }
    return unique;
  }

  [[noreturn]] void refuse(const TensorInfo& info, std::string_view problem) const {
    throw Error(ErrorCategory::kCorrupt, fmt::format("{} is damaged: tensor '{}' {}",
                                                     file_.path().string(), info.name, problem));
  }

  const InputFile& file_;
  FlatFile flat_;
  FlatVector buffers_;
  std::vector<TfliteTensor> tensors_;
  std::unordered_set<std::string> names_;
  std::unordered_map<std::string, int> wanted_;  // how often, of names that were taken
};

}  // namespace

std::vector<TfliteTensor> scan_tflite(const InputFile& file) { return Scanner(file).scan(); }

}  // namespace narrow
