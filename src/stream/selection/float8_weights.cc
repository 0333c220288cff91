#include "narrow/float8_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "narrow/error.h"
#include "stream/selection/float8_scales.h"
#include "stream/selection/quantized_weights.h"
#include "stream/selection/tensor_names.h"
#include "stream/value_pieces.h"

namespace narrow {
namespace {

constexpr std::size_t kPieceElements = 65536;

// Powers of two as scales, without sign and fraction (OCP, "Microscaling Formats", 2023).
bool is_power_scale(const TensorInfo& scale) {
  return scale.dtype == DType::kOpaque && scale.opaque.name == "F8_E8M0" &&
         scale.opaque.family == OpaqueType::Family::kSafetensors;
}

float power_scale(std::byte code) {
  constexpr int kNan = 0xff;
  constexpr int kBias = 127;
  const int exponent = std::to_integer<int>(code);
  return exponent == kNan ? std::numeric_limits<float>::quiet_NaN()
                          : std::ldexp(1.0F, exponent - kBias);
}

using Float8Table = std::array<float, 256>;

// The value of every code.
Float8Table table_of(DType dtype) {
  Float8Table table{};
  for (std::size_t code = 0; code < table.size(); ++code) {
    table[code] = static_cast<float>(float8_value(dtype, static_cast<std::uint8_t>(code)));
  }
  return table;
}

// The nearest bfloat16, ties to even; NaN stays NaN.
std::uint16_t bfloat16_bits(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

// The values of one weight.
class RestoredWeight : public TensorStream {
 public:
  // Without `scales` every value is its own.
  RestoredWeight(std::unique_ptr<TensorStream> codes, std::uint64_t elements, DType stored,
                 DType dtype, Float8Scales layout, std::vector<float> scales)
      : codes_(std::move(codes)),
        elements_(elements),
        table_(table_of(stored)),
        dtype_(dtype),
        layout_(std::move(layout)),
        scales_(std::move(scales)) {}

  void read(std::span<std::byte> out) override {
    const std::size_t size = element_size(dtype_);
    out = out.subspan(take_rest(out));
    while (out.size() >= size) {
      const std::size_t count = std::min(out.size() / size, kPieceElements);
      convert(out.first(count * size));
      out = out.subspan(count * size);
    }
    if (out.empty()) return;
    rest_.resize(size);
    convert(rest_);
    take_rest(out);
  }

 private:
  // Hands out what is left of an element that was cut.
  std::size_t take_rest(std::span<std::byte> out) {
    const std::size_t count = std::min(out.size(), rest_.size());
    std::copy_n(rest_.begin(), count, out.begin());
    rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }

  // Whole elements.
  void convert(std::span<std::byte> out) {
    const std::size_t size = element_size(dtype_);
    const std::size_t count = out.size() / size;
    if (count > elements_ - position_) {
      throw Error(ErrorCategory::kUsage, "a tensor was read past its end");
    }
    bytes_.resize(count);
    codes_->read(bytes_);
    for (std::size_t i = 0; i < count;) {
      const Float8Scales::Run run = layout_.run_at(position_ + i);
      const std::size_t length = std::min<std::uint64_t>(run.length, count - i);
      const float scale = scales_.empty() ? 1.0F : scales_[run.scale];
      restore(std::span(bytes_).subspan(i, length), scale, out.data() + i * size);
      i += length;
    }
    position_ += count;
  }

  void restore(std::span<const std::byte> codes, float scale, std::byte* out) const {
    for (const std::byte code : codes) {
      const float value = table_[std::to_integer<std::size_t>(code)] * scale;
      if (dtype_ == DType::kFloat32) {
        store_le(out, std::bit_cast<std::uint32_t>(value));
        out += sizeof(std::uint32_t);
      } else {
        store_le(out, bfloat16_bits(value));
        out += sizeof(std::uint16_t);
      }
    }
  }

  std::unique_ptr<TensorStream> codes_;
  std::uint64_t elements_;
  Float8Table table_;
  DType dtype_;
  Float8Scales layout_;
  std::vector<float> scales_;
  std::uint64_t position_ = 0;
  std::vector<std::byte> bytes_;
  std::vector<std::byte> rest_;
};

// One tensor as it is given.
struct GivenTensor {
  std::size_t index = 0;  // in the original
  bool is_restored = false;
  std::optional<std::size_t> scale = {};  // in the original
  Float8Scales layout = {};
};

class Float8Reader : public CheckpointReader {
 public:
  Float8Reader(std::unique_ptr<CheckpointReader> original, std::optional<DType> cast)
      : original_(std::move(original)) {
    summary_.dtype = cast.value_or(DType::kBFloat16);
    const auto dropped = find_weights(cast.has_value());
    const std::vector<TensorInfo>& stored = original_->tensors();
    for (std::size_t i = 0; i < stored.size(); ++i) {
      if (dropped[i]) continue;
      const auto found = weights_.find(i);
      given_.push_back(found == weights_.end() ? GivenTensor{i} : found->second);
      infos_.push_back(stored[i]);
      if (given_.back().is_restored) infos_.back().dtype = summary_.dtype;
      if (given_.back().is_restored) summary_.restored_bytes += infos_.back().byte_size();
    }
  }

  [[nodiscard]] const CheckpointLocation& location() const override {
    return original_->location();
  }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return infos_; }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override {
    const GivenTensor& given = given_.at(index);
    auto stream = original_->open(given.index);
    if (!given.is_restored) return stream;
    const TensorInfo& stored = original_->tensors()[given.index];
    return std::make_unique<RestoredWeight>(std::move(stream), element_count(stored.shape),
                                            stored.dtype, summary_.dtype, given.layout,
                                            read_scales(given));
  }
  [[nodiscard]] std::vector<std::string> read_strings(std::size_t index) const override {
    return original_->read_strings(given_.at(index).index);
  }
  [[nodiscard]] std::map<std::string, std::string> metadata() const override {
    return original_->metadata();
  }

  [[nodiscard]] const Float8Summary& summary() const { return summary_; }
  // Gives the original back, of which nothing is restored.
  [[nodiscard]] std::unique_ptr<CheckpointReader> release() { return std::move(original_); }

 private:
  // Fills weights_; true for the scales that are used up.
  std::vector<bool> find_weights(bool without_scale_too) {
    const std::vector<TensorInfo>& stored = original_->tensors();
    const TensorNames names(stored);
    std::vector<bool> dropped(stored.size());
    for (std::size_t i = 0; i < stored.size(); ++i) {
      if (!is_float8(stored[i].dtype)) continue;
      const TensorInfo* const inverse = names.find(stored[i].name + "_scale_inv");
      const TensorInfo* const plain = names.find(stored[i].name + "_scale");
      if (inverse != nullptr && plain != nullptr) continue;  // nobody can say which one counts
      const TensorInfo* const scale = inverse != nullptr ? inverse : plain;
      if (scale == nullptr && !without_scale_too) continue;
      GivenTensor weight{i, true};
      if (scale != nullptr) {
        const auto layout = Float8Scales::of_shapes(stored[i].shape, scale->shape);
        const bool is_number = is_floating_point(scale->dtype) || is_power_scale(*scale);
        if (!layout || !is_number) continue;
        weight.layout = *layout;
        weight.scale = scale - stored.data();
      }
      if (scale != nullptr) {
        dropped[static_cast<std::size_t>(scale - stored.data())] = true;
        ++summary_.scales;
        summary_.stored_bytes += scale->byte_size();
      }
      ++summary_.weights;
      summary_.stored_bytes += stored[i].byte_size();
      weights_.emplace(i, std::move(weight));
    }
    return dropped;
  }

  [[nodiscard]] std::vector<float> read_scales(const GivenTensor& weight) const {
    std::vector<float> scales;
    if (!weight.scale.has_value()) return scales;
    const TensorInfo& info = original_->tensors()[*weight.scale];
    if (is_power_scale(info)) {
      std::vector<std::byte> codes(info.byte_size());
      original_->read(*weight.scale, codes);
      std::ranges::transform(codes, std::back_inserter(scales), power_scale);
      return scales;
    }
    ValuePieces pieces(*original_, *weight.scale);
    for (auto piece = pieces.next(kPieceElements); !piece.empty();
         piece = pieces.next(kPieceElements)) {
      for (const double value : piece) scales.push_back(static_cast<float>(value));
    }
    return scales;
  }

  std::unique_ptr<CheckpointReader> original_;
  std::unordered_map<std::size_t, GivenTensor> weights_;  // by position in the original
  std::vector<GivenTensor> given_;
  std::vector<TensorInfo> infos_;
  Float8Summary summary_;
};

}  // namespace

std::string describe(const Float8Summary& summary) {
  const auto count = [](std::uint64_t number, const char* what) {
    return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
  };
  std::string text = count(summary.weights, "float8 weight");
  if (summary.scales > 0) text += " and " + count(summary.scales, "scale");
  return text + fmt::format(" ({} bytes) restored as {} ({} bytes)", summary.stored_bytes,
                            to_string(summary.dtype), summary.restored_bytes);
}

std::unique_ptr<CheckpointReader> restore_float8(std::unique_ptr<CheckpointReader> reader,
                                                 std::optional<DType> cast) {
  const auto has_float8 = [](const TensorInfo& tensor) { return is_float8(tensor.dtype); };
  if (std::ranges::none_of(reader->tensors(), has_float8)) return reader;
  auto restored = std::make_unique<Float8Reader>(std::move(reader), cast);
  if (restored->summary().weights == 0) return restored->release();
  return restored;
}

std::optional<Float8Summary> float8_summary(const CheckpointReader& reader) {
  const auto* const restored = dynamic_cast<const Float8Reader*>(&reader);
  if (restored == nullptr) return std::nullopt;
  return restored->summary();
}

}  // namespace narrow
