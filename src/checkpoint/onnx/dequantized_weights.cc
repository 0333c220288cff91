#include "narrow/dequantized_weights.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/container/file_range_stream.h"
#include "checkpoint/onnx/dequantized_values.h"
#include "checkpoint/onnx/onnx_message.h"
#include "onnx_model.pb.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

constexpr std::size_t kPieceElements = 16384;

// How codes lie in the file.
struct CodeType {
  std::string_view name;
  DType type = DType::kOpaque;  // of 8 bits and more
  unsigned bits = 8;
  bool is_signed = false;
};
constexpr std::array kCodeTypes = std::to_array<CodeType>({
    {"INT8", DType::kInt8, 8, true},
    {"UINT8", DType::kUInt8, 8, false},
    {"INT16", DType::kInt16, 16, true},
    {"UINT16", DType::kUInt16, 16, false},
    {"INT32", DType::kInt32, 32, true},
    {"INT4", DType::kOpaque, 4, true},
    {"UINT4", DType::kOpaque, 4, false},
    {"INT2", DType::kOpaque, 2, true},
    {"UINT2", DType::kOpaque, 2, false},
});

const CodeType* code_type_of(const TensorInfo& info) {
  const auto* const found = std::ranges::find_if(kCodeTypes, [&](const CodeType& type) {
    return info.dtype == type.type &&
           (info.dtype != DType::kOpaque || info.opaque.name == type.name);
  });
  return found == kCodeTypes.end() ? nullptr : found;
}

// The codes of whole bytes, less than 8 bits from the lowest on.
std::vector<std::int64_t> decode_codes(const CodeType& type, std::span<const std::byte> bytes,
                                       std::size_t count) {
  if (type.type != DType::kOpaque) return decode_integers(type.type, bytes);
  const std::size_t in_byte = 8 / type.bits;
  const std::int64_t size = std::int64_t{1} << type.bits;
  std::vector<std::int64_t> codes(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto shift = static_cast<unsigned>(i % in_byte) * type.bits;
    codes[i] = std::to_integer<std::int64_t>(bytes[i / in_byte] >> shift) & (size - 1);
    if (type.is_signed && codes[i] >= size / 2) codes[i] -= size;
  }
  return codes;
}

// A tensor of codes with what it is multiplied with.
struct Dequantization {
  std::size_t codes = 0;  // indices of tensors
  std::size_t scale = 0;
  std::optional<std::size_t> zero;
  const CodeType* type = nullptr;
  const CodeType* zero_type = nullptr;
  // The scale of an element lies at the sum of index / size * stride over the axes.
  std::vector<std::size_t> sizes;
  std::vector<std::size_t> strides;
  bool one_zero = false;  // for all elements
};

class DequantizedStream final : public TensorStream {
 public:
  DequantizedStream(const CheckpointReader& reader, const Dequantization& by)
      : by_(by),
        shape_(reader.tensors()[by.codes].shape),
        name_(reader.tensors()[by.codes].name),
        codes_(reader.open(by.codes)),
        elements_left_(element_count(shape_)),
        index_(shape_.size(), 0) {
    const TensorInfo& scale = reader.tensors()[by.scale];
    scales_ = decode_reals(scale.dtype, values_of(reader, by.scale));
    if (by.zero) {
      const TensorInfo& zero = reader.tensors()[*by.zero];
      zeros_ = decode_codes(*by.zero_type, values_of(reader, *by.zero), element_count(zero.shape));
    }
  }

  void read(std::span<std::byte> out) override {
    while (!out.empty()) {
      if (taken_ == piece_.size() * sizeof(float)) next_piece(out.size());
      const std::size_t size = std::min(out.size(), piece_.size() * sizeof(float) - taken_);
      std::memcpy(out.data(), reinterpret_cast<const std::byte*>(piece_.data()) + taken_, size);
      taken_ += size;
      out = out.subspan(size);
    }
  }

 private:
  static std::vector<std::byte> values_of(const CheckpointReader& reader, std::size_t index) {
    std::vector<std::byte> bytes(reader.tensors()[index].byte_size());
    reader.read(index, bytes);
    return bytes;
  }

  void next_piece(std::size_t wanted) {
    if (elements_left_ == 0) throw_past_end(name_, wanted, 0);
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(elements_left_, kPieceElements));
    std::vector<std::byte> bytes((count * by_.type->bits + 7) / 8);
    codes_->read(bytes);
    const std::vector<std::int64_t> codes = decode_codes(*by_.type, bytes, count);
    piece_.resize(count);
    for (std::size_t i = 0; i < count; ++i, advance()) {
      const std::size_t at = scale_index();
      const std::int64_t zero = zeros_.empty() ? 0 : zeros_[by_.one_zero ? 0 : at];
      piece_[i] = static_cast<float>(codes[i] - zero) * static_cast<float>(scales_[at]);
    }
    elements_left_ -= count;
    taken_ = 0;
  }

  [[nodiscard]] std::size_t scale_index() const {
    std::size_t at = 0;
    for (std::size_t axis = 0; axis < index_.size(); ++axis) {
      at += index_[axis] / by_.sizes[axis] * by_.strides[axis];
    }
    return at;
  }

  void advance() {
    for (std::size_t axis = index_.size(); axis-- > 0;) {
      if (++index_[axis] < static_cast<std::size_t>(shape_[axis])) return;
      index_[axis] = 0;
    }
  }

  const Dequantization& by_;
  Shape shape_;
  std::string name_;
  std::unique_ptr<TensorStream> codes_;
  std::vector<double> scales_;
  std::vector<std::int64_t> zeros_;
  std::uint64_t elements_left_;
  std::vector<std::size_t> index_;  // of the next element
  std::vector<float> piece_;
  std::size_t taken_ = 0;  // bytes of the piece
};

// Looks for dequantizations in the nodes of the main graph.
class Finder {
 public:
  Finder(const CheckpointReader& reader, const onnx::GraphProto& graph) : reader_(reader) {
    for (const onnx::NodeProto& node : graph.node()) {
      for (const std::string& input : node.input()) ++readers_[input];
      if (node.op_type() == "Cast" && node.input_size() == 1 && node.output_size() == 1) {
        casts_[node.output(0)] = &node;
      }
    }
    for (const auto& output : graph.output()) ++readers_[output.name()];
  }

  std::optional<Dequantization> of(const onnx::NodeProto& node) const {
    if (!node.domain().empty() && node.domain() != "ai.onnx") return std::nullopt;
    if (node.op_type() == "DequantizeLinear" && node.input_size() >= 2) return of_linear(node);
    if (node.op_type() != "Mul" || node.input_size() != 2) return std::nullopt;
    for (const int i : {0, 1}) {
      if (!casts_.contains(node.input(i))) continue;
      if (auto found = of_product(node.input(i), node.input(1 - i))) return found;
    }
    return std::nullopt;
  }

 private:
  // The tensor of codes that the value is, possibly after a Cast that keeps its values, if nothing
  // else reads it.
  [[nodiscard]] std::optional<std::size_t> codes_of(const std::string& value, bool as_real) const {
    const auto cast = casts_.find(value);
    if (as_real && cast == casts_.end()) return std::nullopt;
    const std::string& codes = cast == casts_.end() ? value : cast->second->input(0);
    if (readers_.at(value) != 1 || readers_.at(codes) != 1) return std::nullopt;
    const auto index = reader_.find(codes);
    const CodeType* const type = index ? code_type_of(reader_.tensors()[*index]) : nullptr;
    if (type == nullptr) return std::nullopt;
    const bool keeps =
        cast == casts_.end() || keeps_values(*type, integer(*cast->second, "to", 0), as_real);
    return keeps ? index : std::nullopt;
  }

  static bool keeps_values(const CodeType& from, std::int64_t to, bool as_real) {
    if (as_real) return to == onnx::TensorProto::FLOAT && from.bits <= 16;
    switch (to) {
      case onnx::TensorProto::INT8:
        return from.bits < 8 || (from.bits == 8 && from.is_signed);
      case onnx::TensorProto::UINT8:
        return from.bits <= 8 && !from.is_signed;
      case onnx::TensorProto::INT16:
        return from.bits < 16 || (from.bits == 16 && from.is_signed);
      case onnx::TensorProto::UINT16:
        return from.bits <= 16 && !from.is_signed;
      default:
        return to == onnx::TensorProto::INT32;
    }
  }

  // `as_real`: behind a Cast to float32.
  [[nodiscard]] std::optional<Dequantization> between(const std::string& codes,
                                                      const std::string& scale,
                                                      bool as_real) const {
    const auto index = codes_of(codes, as_real);
    const auto by = reader_.find(scale);
    if (!index || !by || !is_floating_point(reader_.tensors()[*by].dtype)) return std::nullopt;
    Dequantization found;
    found.codes = *index;
    found.scale = *by;
    found.type = code_type_of(reader_.tensors()[*index]);
    const std::size_t rank = reader_.tensors()[*index].shape.size();
    found.sizes.assign(rank, 1);
    found.strides.assign(rank, 0);
    return found;
  }

  // Row-major strides of the scale's axes, which lie under the last ones of the codes; 0 where one
  // scale holds for several indices. False when its shape does not fit.
  [[nodiscard]] bool set_strides(Dequantization& found, std::size_t blocked_axis) const {
    const Shape& codes = reader_.tensors()[found.codes].shape;
    const Shape& scale = reader_.tensors()[found.scale].shape;
    if (scale.size() > codes.size()) return false;
    std::size_t stride = 1;
    for (std::size_t i = 1; i <= scale.size(); ++i) {
      const std::size_t axis = codes.size() - i;
      const std::int64_t size = scale[scale.size() - i];
      const auto block = static_cast<std::int64_t>(found.sizes[axis]);
      const std::int64_t expected = (codes[axis] + block - 1) / block;
      if (size != expected && (size != 1 || axis == blocked_axis)) return false;
      found.strides[axis] = size == 1 ? 0 : stride;
      stride *= static_cast<std::size_t>(size);
    }
    return true;
  }

  [[nodiscard]] std::optional<Dequantization> of_product(const std::string& codes,
                                                         const std::string& scale) const {
    auto found = between(codes, scale, true);
    if (!found || !set_strides(*found, SIZE_MAX)) return std::nullopt;
    return found;
  }

  [[nodiscard]] std::optional<Dequantization> of_linear(const onnx::NodeProto& node) const {
    auto found = between(node.input(0), node.input(1), false);
    if (!found) return std::nullopt;
    const Shape& codes = reader_.tensors()[found->codes].shape;
    const Shape& scale = reader_.tensors()[found->scale].shape;
    std::int64_t axis = integer(node, "axis", 1);
    if (axis < 0) axis += static_cast<std::int64_t>(codes.size());
    const std::int64_t block = integer(node, "block_size", 0);
    const bool has_axis = axis >= 0 && axis < static_cast<std::int64_t>(codes.size());
    const auto along = static_cast<std::size_t>(axis);
    if (block > 0) {
      if (!has_axis || scale.size() != codes.size()) return std::nullopt;
      const std::int64_t most = std::max<std::int64_t>(codes[along], 1);
      found->sizes[along] = static_cast<std::size_t>(std::min(block, most));
      if (!set_strides(*found, along)) return std::nullopt;
    } else if (element_count(scale) != 1) {
      if (!has_axis || scale.size() != 1 || scale[0] != codes[along]) return std::nullopt;
      found->strides[along] = 1;
    }
    return add_zero(std::move(*found), node);
  }

  // The zero points are as the scales, or one.
  [[nodiscard]] std::optional<Dequantization> add_zero(Dequantization found,
                                                       const onnx::NodeProto& node) const {
    if (node.input_size() < 3 || node.input(2).empty()) return found;
    found.zero = reader_.find(node.input(2));
    if (!found.zero) return std::nullopt;
    const TensorInfo& zero = reader_.tensors()[*found.zero];
    found.one_zero = element_count(zero.shape) == 1;
    const bool fits = found.one_zero || zero.shape == reader_.tensors()[found.scale].shape;
    found.zero_type = code_type_of(zero);
    if (!fits || found.zero_type == nullptr) return std::nullopt;
    return found;
  }

  static std::int64_t integer(const onnx::NodeProto& node, std::string_view name,
                              std::int64_t otherwise) {
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (attribute.name() == name) return attribute.i();
    }
    return otherwise;
  }

  const CheckpointReader& reader_;
  std::map<std::string, int> readers_;  // how many inputs and outputs of the graph a value is
  std::map<std::string, const onnx::NodeProto*> casts_;  // by output
};

class DequantizedReader final : public CheckpointReader {
 public:
  DequantizedReader(std::unique_ptr<CheckpointReader> original,
                    std::map<std::size_t, Dequantization> found,
                    std::map<std::string, std::string> values)
      : original_(std::move(original)),
        tensors_(original_->tensors()),
        found_(std::move(found)),
        values_(std::move(values)) {
    for (const auto& [index, by] : found_) {
      TensorInfo& info = tensors_[index];
      info.dtype = DType::kFloat32;
      info.opaque = {};
      info.stored_as = by.type->name;
      if (info.shape.size() >= 2) info.use = TensorUse::kWeight;
    }
  }

  [[nodiscard]] const CheckpointLocation& location() const override {
    return original_->location();
  }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override {
    const auto found = found_.find(index);
    if (found == found_.end()) return original_->open(index);
    return std::make_unique<DequantizedStream>(*original_, found->second);
  }
  [[nodiscard]] std::vector<std::string> read_strings(std::size_t index) const override {
    return original_->read_strings(index);
  }
  [[nodiscard]] std::map<std::string, std::string> metadata() const override {
    return original_->metadata();
  }
  [[nodiscard]] const std::map<std::string, std::string>& values() const { return values_; }

 private:
  std::unique_ptr<CheckpointReader> original_;
  std::vector<TensorInfo> tensors_;
  std::map<std::size_t, Dequantization> found_;  // by index of the codes
  std::map<std::string, std::string> values_;    // see dequantized_values()
};

bool may_have_codes(const CheckpointReader& reader) {
  return reader.location().format == CheckpointFormat::kOnnx &&
         std::ranges::any_of(reader.tensors(),
                             [](const TensorInfo& info) { return code_type_of(info) != nullptr; });
}

// Whether the network itself makes codes.
bool makes_codes(const onnx::GraphProto& graph) {
  return std::ranges::any_of(graph.node(), [](const onnx::NodeProto& node) {
    const std::string& name = node.op_type();
    return name == "QuantizeLinear" || name == "QGemm" || name.starts_with("QLinear");
  });
}

std::unique_ptr<CheckpointReader> dequantized_view(std::unique_ptr<CheckpointReader> reader,
                                                   const onnx::GraphProto& graph) {
  const Finder finder(*reader, graph);
  std::map<std::size_t, Dequantization> found;
  std::map<std::string, std::string> values;
  for (const onnx::NodeProto& node : graph.node()) {
    auto by = finder.of(node);
    if (!by || node.output_size() == 0) continue;
    values.emplace(node.output(0), reader->tensors()[by->codes].name);
    found.emplace(by->codes, std::move(*by));
  }
  if (found.empty()) return reader;
  return std::make_unique<DequantizedReader>(std::move(reader), std::move(found),
                                             std::move(values));
}

}  // namespace

std::unique_ptr<CheckpointReader> see_dequantized(std::unique_ptr<CheckpointReader> reader) {
  if (!may_have_codes(*reader)) return reader;
  const onnx::ModelProto model = read_onnx_message(reader->location().path, 0);
  return dequantized_view(std::move(reader), model.graph());
}

std::unique_ptr<CheckpointReader> see_as_computed(std::unique_ptr<CheckpointReader> reader) {
  if (!may_have_codes(*reader)) return reader;
  const onnx::ModelProto model = read_onnx_message(reader->location().path, 0);
  if (makes_codes(model.graph())) return reader;
  return dequantized_view(std::move(reader), model.graph());
}

std::map<std::string, std::string> dequantized_values(const CheckpointReader& reader) {
  const auto* const dequantized = dynamic_cast<const DequantizedReader*>(&reader);
  return dequantized == nullptr ? std::map<std::string, std::string>() : dequantized->values();
}

}  // namespace narrow
