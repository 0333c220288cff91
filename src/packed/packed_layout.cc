#include "packed/packed_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <unordered_set>
#include <utility>

#include "base/bytes.h"
#include "base/checked.h"
#include "checkpoint/safetensors/safetensors_header.h"
#include "checkpoint/safetensors/safetensors_output.h"
#include "narrow/error.h"
#include "quant/packing/pack_bits.h"
#include "quant/packing/tensor_restorer.h"

namespace narrow {
namespace {

struct PartRow {
  std::string_view suffix;
  DType type;
};

// In the order of PackedPart.
constexpr std::array<PartRow, 10> kParts = {{{"", DType::kUInt8},
                                             {":raw", DType::kUInt8},
                                             {":codes", DType::kUInt8},
                                             {":lo", DType::kFloat32},
                                             {":hi", DType::kFloat32},
                                             {":largest", DType::kFloat32},
                                             {":fraction_bits", DType::kInt16},
                                             {":signed", DType::kUInt8},
                                             {":decimal_exponent", DType::kUInt8},
                                             {":levels", DType::kFloat32}}};

const PartRow& row_of(PackedPart part) { return kParts[static_cast<std::size_t>(part)]; }

std::uint64_t parameter_bytes(const PackedTensor& tensor) {
  std::uint64_t total = 0;
  for (const PackedPart part : parameter_parts(*tensor.scheme)) {
    std::uint64_t bytes = 0;
    const std::uint64_t of_block =
        parameters_per_block(part, *tensor.scheme) * element_size(parameter_type(part));
    if (!checked_mul(tensor.blocks, of_block, &bytes) || !checked_add(total, bytes, &total)) {
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("the parameters of tensor {} do not fit in 64 bits of size",
                              tensor.info.name));
    }
  }
  return total;
}

Shape one_dimension(std::uint64_t size) { return {static_cast<std::int64_t>(size)}; }

TensorInfo parameter_info(const PackedTensor& tensor, PackedPart part) {
  Shape shape = one_dimension(tensor.blocks);
  if (part == PackedPart::kLevels) {
    shape.push_back(static_cast<std::int64_t>(parameters_per_block(part, *tensor.scheme)));
  }
  return {tensor.info.name + std::string(suffix_of(part)), parameter_type(part), shape};
}

TensorInfo unchanged_info(const PackedTensor& tensor, PackedPart* part) {
  *part = PackedPart::kUnchanged;
  if (safetensors_type_name(tensor.info).has_value()) return tensor.info;
  *part = PackedPart::kRaw;
  return {tensor.info.name + std::string(suffix_of(*part)), DType::kUInt8,
          one_dimension(tensor.unchanged_bytes)};
}

// A stored tensor before its place is known.
struct Candidate {
  std::size_t tensor;
  PackedPart part;
  TensorInfo info;

  // Wide elements come first, so that every element lies at a multiple of its size; then codes that
  // fill whole cache lines, so that the next ones begin at one.
  [[nodiscard]] int rank() const {
    const std::size_t size = element_size(info.dtype);
    if (size > 1) return size >= 8 ? 0 : size == 4 ? 1 : 2;
    const bool fills_lines = info.byte_size() % SafetensorsOutput::kDataAlignment == 0;
    return part == PackedPart::kCodes && fills_lines ? kAligned : kAligned + 1;
  }
  static constexpr int kAligned = 3;
  static constexpr int kRanks = kAligned + 2;
};

std::vector<Candidate> candidates(const std::vector<PackedTensor>& tensors) {
  std::vector<Candidate> all;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const PackedTensor& tensor = tensors[i];
    if (!tensor.scheme.has_value()) {
      PackedPart part{};
      TensorInfo info = unchanged_info(tensor, &part);
      all.push_back({i, part, std::move(info)});
      continue;
    }
    for (const PackedPart part : parameter_parts(*tensor.scheme)) {
      all.push_back({i, part, parameter_info(tensor, part)});
    }
    all.push_back({i,
                   PackedPart::kCodes,
                   {tensor.info.name + std::string(suffix_of(PackedPart::kCodes)), DType::kUInt8,
                    one_dimension(tensor.code_bytes)}});
  }
  return all;
}

void add_padding(PackedLayout& layout, std::uint64_t position) {
  constexpr std::uint64_t kLine = SafetensorsOutput::kDataAlignment;
  if (position % kLine == 0) return;
  layout.padding = layout.stored.size();
  layout.stored.push_back(
      {std::string(kPaddingName), DType::kUInt8, one_dimension(kLine - position % kLine)});
}

void require_unique_names(const std::vector<Candidate>& all) {
  std::unordered_set<std::string_view> names = {kPaddingName};
  for (const auto& [tensor, part, info] : all) {
    if (names.insert(info.name).second) continue;
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("the packed file would have two tensors called {}: one for the "
                            "checkpoint's tensor of that name, one for a part of another; exclude "
                            "the other one or rename one of them",
                            info.name));
  }
}

}  // namespace

std::string_view suffix_of(PackedPart part) noexcept { return row_of(part).suffix; }

DType parameter_type(PackedPart part) noexcept { return row_of(part).type; }

std::vector<PackedPart> parameter_parts(const Scheme& scheme) {
  switch (scheme.kind) {
    case SchemeKind::kBin:
    case SchemeKind::kAffine:
      return {PackedPart::kLo, PackedPart::kHi};
    case SchemeKind::kSymmetric:
      return {PackedPart::kLargest};
    case SchemeKind::kFixedPoint:
      if (scheme.scaling == Scaling::kBinary) {
        return {PackedPart::kFractionBits, PackedPart::kSigned};
      }
      return {PackedPart::kFractionBits, PackedPart::kSigned, PackedPart::kDecimalExponent};
    case SchemeKind::kCodebook:
      return {PackedPart::kLevels};
  }
  return {};
}

std::uint64_t parameters_per_block(PackedPart part, const Scheme& scheme) noexcept {
  return part == PackedPart::kLevels ? std::uint64_t{1} << scheme.bits : 1;
}

std::vector<std::byte> string_bytes(std::span<const std::string> strings) {
  std::vector<std::byte> bytes;
  for (const std::string& text : strings) {
    std::array<std::byte, sizeof(std::uint64_t)> length;
    store_le(length.data(), std::uint64_t{text.size()});
    bytes.insert(bytes.end(), length.begin(), length.end());
    const auto characters = as_byte_span(text);
    bytes.insert(bytes.end(), characters.begin(), characters.end());
  }
  return bytes;
}

void measure_packed(std::vector<PackedTensor>& tensors,
                    const std::vector<std::uint64_t>& string_sizes) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    PackedTensor& tensor = tensors[i];
    if (!tensor.scheme.has_value()) {
      tensor.unchanged_bytes =
          tensor.info.dtype == DType::kString ? string_sizes.at(i) : tensor.info.byte_size();
      continue;
    }
    const std::uint64_t elements = element_count(tensor.info.shape);
    const auto code_bytes = packed_byte_count(elements, tensor.scheme->bits);
    if (!code_bytes.has_value()) {
      throw Error(
          ErrorCategory::kCorrupt,
          fmt::format("the codes of tensor {} do not fit in 64 bits of size", tensor.info.name));
    }
    tensor.code_bytes = *code_bytes;
    // The axis of a recipe is always explicit.
    tensor.blocks = TensorRestorer(*tensor.scheme, tensor.info, 0).block_count();
    tensor.parameter_bytes = parameter_bytes(tensor);
  }
}

PackedLayout packed_layout(const std::vector<PackedTensor>& tensors) {
  std::vector<Candidate> all = candidates(tensors);
  require_unique_names(all);
  // Few ranks and many candidates.
  std::array<std::vector<Candidate*>, Candidate::kRanks> by_rank;
  for (Candidate& candidate : all) {
    by_rank[static_cast<std::size_t>(candidate.rank())].push_back(&candidate);
  }
  PackedLayout layout;
  layout.parts.resize(tensors.size());
  std::uint64_t position = 0;
  for (std::size_t rank = 0; rank < by_rank.size(); ++rank) {
    if (rank == Candidate::kAligned && !by_rank[rank].empty()) add_padding(layout, position);
    for (Candidate* candidate : by_rank[rank]) {
      layout.parts[candidate->tensor].push_back({candidate->part, layout.stored.size()});
      position += candidate->info.byte_size();
      layout.stored.push_back(std::move(candidate->info));
    }
  }
  for (auto& parts : layout.parts) {
    std::ranges::stable_sort(
        parts, {}, [](const StoredPart& part) { return part.part == PackedPart::kCodes; });
  }
  return layout;
}

}  // namespace narrow
