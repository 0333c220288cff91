// Both directions go piece by piece through what files go through, TensorQuantizer and
// TensorRestorer, whose codes are packed; here they are numbers.
#include "narrow/quantize_tensor.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "base/parallel.h"
#include "narrow/error.h"
#include "quant/blocks/block_layout.h"
#include "quant/fit_values.h"
#include "quant/packing/pack_bits.h"
#include "quant/packing/tensor_restorer.h"
#include "quant/tensor_quantizer.h"

namespace narrow {
namespace {

constexpr int kLastAxis = -1;
// Pieces of so many codes begin with a byte, whatever their width.
constexpr std::uint64_t kCodesAtOnce = 1 << 16;

TensorInfo info_of(const Shape& shape) { return {"the array", DType::kFloat32, shape}; }

void require_count(std::uint64_t found, std::uint64_t expected, const char* what) {
  if (found == expected) return;
  throw Error(ErrorCategory::kUsage, std::to_string(found) + " " + what + " were given, but " +
                                         std::to_string(expected) + " belong to the shape");
}

Scheme with_named_axis(Scheme scheme, const Shape& shape) {
  Granularity& granularity = scheme.granularity;
  if (granularity.kind == Granularity::Kind::kChannel && shape.size() > 1 && !granularity.axis) {
    granularity.axis = -std::max(granularity.axis_count, 1);  // the layout refuses counts below 1
  }
  return scheme;
}

// A part of the elements; all but the last have the same length.
struct Piece {
  std::uint64_t first = 0;
  std::size_t size = 0;
};

Piece piece_at(std::size_t i, std::uint64_t piece_elements, std::uint64_t elements) {
  const std::uint64_t first = i * piece_elements;
  return {first, static_cast<std::size_t>(std::min(piece_elements, elements - first))};
}

std::size_t piece_count(std::uint64_t elements, std::uint64_t piece_elements) {
  return static_cast<std::size_t>((elements + piece_elements - 1) / piece_elements);
}

unsigned first_bit(const Piece& piece, int bits) {
  return static_cast<unsigned>(piece.first * static_cast<unsigned>(bits) % 8);
}

std::vector<CodeRange> ranges_of(const Scheme& scheme, const std::vector<BlockParams>& params) {
  std::vector<CodeRange> ranges;
  ranges.reserve(params.size());
  for (const BlockParams& block : params) ranges.push_back(code_range(scheme, block));
  return ranges;
}

// Whether the codes of all blocks are signed, or of none; nothing where blocks differ.
std::optional<bool> common_sign(const std::vector<CodeRange>& ranges) {
  const auto is_signed = [](const CodeRange& range) { return range.min < 0; };
  const bool first = !ranges.empty() && is_signed(ranges.front());
  const auto is_other = [&](const CodeRange& range) { return is_signed(range) != first; };
  if (std::ranges::any_of(ranges, is_other)) return std::nullopt;
  return first;
}

template <typename Code>
void unpack_piece(const Piece& piece, std::span<const std::byte> packed, const BlockLayout& layout,
                  const std::vector<CodeRange>& ranges, std::optional<bool> sign, int bits,
                  std::span<Code> codes) {
  codes = codes.subspan(static_cast<std::size_t>(piece.first), piece.size);
  if (sizeof(Code) == 1 && bits == 8) {  // signs of two's complement, too
    std::memcpy(codes.data(), packed.data(), codes.size());
    return;
  }
  std::vector<std::uint32_t> numbers(piece.size);
  unpack_bits(packed, bits, first_bit(piece, bits), numbers);
  const auto plain = [](std::uint32_t number) { return static_cast<Code>(number); };
  const auto with_sign = [bits](std::uint32_t number) {
    return static_cast<Code>(signed_code(number, bits));
  };
  // Most schemes need not know the block of an element.
  if (sign == false) {
    std::ranges::transform(numbers, codes.begin(), plain);
    return;
  }
  if (sign == true) {
    std::ranges::transform(numbers, codes.begin(), with_sign);
    return;
  }
  for (std::size_t i = 0; i < piece.size; ++i) {
    const CodeRange& range = ranges[static_cast<std::size_t>(layout.block_of(piece.first + i))];
    codes[i] = range.min < 0 ? with_sign(numbers[i]) : plain(numbers[i]);
  }
}

// The bytes that a piece of the packed codes touches.
std::span<const std::byte> bytes_of(const Piece& piece, std::span<const std::byte> packed,
                                    int bits) {
  const auto width = static_cast<std::uint64_t>(bits);
  const auto size = (first_bit(piece, bits) + piece.size * width + 7) / 8;
  return packed.subspan(static_cast<std::size_t>(piece.first * width / 8), size);
}

// Codes of a type of C++.
template <typename Code>
void unpack_all(const PackedTensor& tensor, const std::vector<CodeRange>& ranges,
                std::span<Code> codes) {
  const BlockLayout layout =
      block_layout(tensor.scheme.granularity, info_of(tensor.shape), kLastAxis);
  const std::optional<bool> sign = common_sign(ranges);
  const int bits = tensor.scheme.bits;
  parallel_for(piece_count(codes.size(), kCodesAtOnce), [&](std::size_t i) {
    const Piece piece = piece_at(i, kCodesAtOnce, codes.size());
    unpack_piece(piece, bytes_of(piece, tensor.codes, bits), layout, ranges, sign, bits, codes);
  });
}

// The blocks of a tensor with parameters for all of them, and so many of `what` for codes.
template <typename Tensor>
BlockLayout whole_layout(const Tensor& tensor, std::uint64_t codes, const char* what) {
  validate(tensor.scheme);
  BlockLayout layout = block_layout(tensor.scheme.granularity, info_of(tensor.shape), kLastAxis);
  require_count(tensor.codes.size(), codes, what);
  require_count(tensor.params.size(), layout.blocks, "parameters of blocks");
  return layout;
}

void require_whole(const PackedTensor& tensor) {
  whole_layout(tensor, packed_code_bytes(tensor.shape, tensor.scheme), "bytes of codes");
}

// Calls `work` with a value of the type.
template <typename Work>
void with_code_type(DType type, Work&& work) {
  switch (type) {
    case DType::kInt8:
      return work(std::int8_t{});
    case DType::kUInt8:
      return work(std::uint8_t{});
    case DType::kInt16:
      return work(std::int16_t{});
    case DType::kUInt16:
      return work(std::uint16_t{});
    case DType::kInt32:
      return work(std::int32_t{});
    case DType::kUInt32:
      return work(std::uint32_t{});
    default:
      return work(std::int64_t{});
  }
}

template <typename Code>
bool holds(const CodeRange& range) {
  return std::in_range<Code>(range.min) && std::in_range<Code>(range.max);
}

// The smallest that holds all of them.
DType type_of(const std::vector<CodeRange>& ranges) {
  CodeRange all{0, 0};
  for (const CodeRange& range : ranges) {
    all = {std::min(all.min, range.min), std::max(all.max, range.max)};
  }
  for (const DType type : {DType::kUInt8, DType::kInt8, DType::kUInt16, DType::kInt16,
                           DType::kUInt32, DType::kInt32}) {
    bool fits = false;
    with_code_type(type, [&]<typename Code>(Code) { fits = holds<Code>(all); });
    if (fits) return type;
  }
  return DType::kInt64;
}

std::vector<std::byte> pack_piece(const Piece& piece, const QuantizedTensor& tensor,
                                  const BlockLayout& layout, const std::vector<CodeRange>& ranges) {
  const int bits = tensor.scheme.bits;
  const std::int64_t mask = (std::int64_t{1} << bits) - 1;
  const auto codes =
      std::span(tensor.codes).subspan(static_cast<std::size_t>(piece.first), piece.size);
  std::vector<std::uint32_t> numbers(piece.size);
  const auto number_of = [mask](std::int64_t code, const CodeRange& range) {
    return static_cast<std::uint32_t>(std::clamp(code, range.min, range.max) & mask);
  };
  if (ranges.size() == 1) {
    const auto of_code = [&](std::int64_t code) { return number_of(code, ranges.front()); };
    std::ranges::transform(codes, numbers.begin(), of_code);
  } else {
    for (std::size_t i = 0; i < piece.size; ++i) {
      numbers[i] =
          number_of(codes[i], ranges[static_cast<std::size_t>(layout.block_of(piece.first + i))]);
    }
  }
  const unsigned shift = first_bit(piece, bits);
  std::vector<std::byte> packed((shift + piece.size * static_cast<std::size_t>(bits) + 7) / 8);
  pack_bits(numbers, bits, shift, packed);
  return packed;
}

// The parameters that each piece needs: its own, or, where blocks may have values in several
// pieces, none, as the restorer then stores all of them.
std::vector<std::span<const BlockParams>> hand_out(std::span<const BlockParams> params,
                                                   std::size_t pieces, TensorRestorer& restorer) {
  std::vector<std::span<const BlockParams>> handed(pieces);
  for (std::size_t i = 0; i < pieces; ++i) {
    const auto count =
        static_cast<std::size_t>(restorer.params_with_piece(i * restorer.piece_elements()));
    std::span<const BlockParams> own = params.first(count);
    params = params.subspan(count);
    if (!restorer.stores_blocks()) {
      handed[i] = own;
      continue;
    }
    for (; !own.empty(); own = own.subspan(std::min(own.size(), restorer.most_at_once()))) {
      restorer.store_blocks(own.first(std::min(own.size(), restorer.most_at_once())));
    }
  }
  return handed;
}

// Restores a tensor, of which packed_codes(piece) gives the codes as a packed file has them.
template <typename Tensor, typename PackedCodes>
void restore_pieces(const Tensor& tensor, std::span<float> restored,
                    const PackedCodes& packed_codes) {
  TensorRestorer restorer(tensor.scheme, info_of(tensor.shape), kLastAxis);
  const std::size_t pieces = piece_count(restored.size(), restorer.piece_elements());
  const auto params = hand_out(tensor.params, pieces, restorer);
  parallel_for(pieces, [&](std::size_t i) {
    const Piece piece = piece_at(i, restorer.piece_elements(), restored.size());
    const auto part = restored.subspan(static_cast<std::size_t>(piece.first), piece.size);
    restorer.restore(piece.first, packed_codes(piece), params[i], std::as_writable_bytes(part));
  });
}

// The first pass over all values.
TensorQuantizer scanned(std::span<const float> values, const Shape& shape, const Scheme& scheme) {
  require_count(values.size(), element_count(shape), "values");
  TensorQuantizer quantizer(scheme, info_of(shape), kLastAxis);
  quantizer.scan(std::as_bytes(values));
  quantizer.finish_scan();
  if (const NonFinite& bad = quantizer.non_finite(); bad.count > 0) {
    refuse_non_finite(bad, values.size());
  }
  return quantizer;
}

}  // namespace

std::uint64_t packed_code_bytes(const Shape& shape, const Scheme& scheme) {
  validate(scheme);
  const auto bytes = packed_byte_count(element_count(shape), scheme.bits);
  if (bytes) return *bytes;
  throw Error(ErrorCategory::kUsage, "the codes have more bytes than can be counted");
}

PackedTensor quantize_packed(std::span<const float> values, const Shape& shape,
                             const Scheme& scheme, std::span<std::byte> codes) {
  PackedTensor result{shape, with_named_axis(scheme, shape), {}, {}, codes};
  require_count(codes.size(), packed_code_bytes(shape, scheme), "bytes for codes");
  const TensorQuantizer quantizer = scanned(values, shape, result.scheme);
  const auto bytes = std::as_bytes(values);
  const int bits = scheme.bits;
  const std::uint64_t piece_elements = quantizer.piece_elements();
  const std::size_t pieces = piece_count(values.size(), piece_elements);
  // Where pieces do not begin with a byte, two share one: these wait for their turn.
  const bool share_bytes = piece_elements * static_cast<unsigned>(bits) % 8 != 0;
  std::vector<std::vector<std::byte>> waiting(pieces);
  std::vector<std::vector<BlockParams>> params(pieces);
  std::vector<ErrorSums> errors(pieces);
  const auto place_of = [&](std::size_t i) {
    return codes.begin() +
           static_cast<std::ptrdiff_t>(i * piece_elements * static_cast<unsigned>(bits) / 8);
  };
  parallel_for(pieces, [&](std::size_t i) {
    const Piece piece = piece_at(i, piece_elements, values.size());
    const auto part = bytes.subspan(static_cast<std::size_t>(piece.first) * sizeof(float),
                                    piece.size * sizeof(float));
    std::vector<std::byte> packed;
    quantizer.encode(piece.first, part, &packed, &params[i]);
    errors[i] = quantizer.measure(piece.first, part);
    if (share_bytes) {
      waiting[i] = std::move(packed);
    } else {
      std::ranges::copy(packed, place_of(i));
    }
  });
  for (std::size_t i = 0; i < pieces; ++i) {
    result.params.insert(result.params.end(), params[i].begin(), params[i].end());
    result.errors.merge(errors[i]);
    if (!share_bytes) continue;
    std::vector<std::byte>& packed = waiting[i];
    if (first_bit(piece_at(i, piece_elements, values.size()), bits) > 0) packed[0] |= *place_of(i);
    std::ranges::copy(packed, place_of(i));
    packed = {};
  }
  return result;
}

QuantizedTensor quantize(std::span<const float> values, const Shape& shape, const Scheme& scheme) {
  require_count(values.size(), element_count(shape), "values");
  std::vector<std::byte> codes(static_cast<std::size_t>(packed_code_bytes(shape, scheme)));
  PackedTensor packed = quantize_packed(values, shape, scheme, codes);
  QuantizedTensor result{
      shape, packed.scheme, std::vector<std::int64_t>(values.size()), {}, packed.errors};
  unpack_all<std::int64_t>(packed, ranges_of(packed.scheme, packed.params), result.codes);
  result.params = std::move(packed.params);
  return result;
}

DType code_type(const PackedTensor& tensor) {
  return type_of(ranges_of(tensor.scheme, tensor.params));
}

void unpack_codes(const PackedTensor& tensor, std::span<std::byte> numbers) {
  require_whole(tensor);
  const std::vector<CodeRange> ranges = ranges_of(tensor.scheme, tensor.params);
  const DType type = type_of(ranges);
  require_count(numbers.size(), element_count(tensor.shape) * element_size(type),
                "bytes for numbers");
  with_code_type(type, [&]<typename Code>(Code) {
    unpack_all(tensor, ranges,
               std::span(reinterpret_cast<Code*>(numbers.data()), numbers.size() / sizeof(Code)));
  });
}

void dequantize(const PackedTensor& tensor, std::span<float> restored) {
  require_whole(tensor);
  require_count(restored.size(), element_count(tensor.shape), "places for restored values");
  restore_pieces(tensor, restored, [&](const Piece& piece) {
    return bytes_of(piece, tensor.codes, tensor.scheme.bits);
  });
}

std::vector<float> dequantize(const QuantizedTensor& tensor) {
  const BlockLayout layout = whole_layout(tensor, element_count(tensor.shape), "codes");
  const std::vector<CodeRange> ranges = ranges_of(tensor.scheme, tensor.params);
  std::vector<float> restored(tensor.codes.size());
  restore_pieces(tensor, restored,
                 [&](const Piece& piece) { return pack_piece(piece, tensor, layout, ranges); });
  return restored;
}

ErrorSums fake_quantize(std::span<const float> values, const Shape& shape, const Scheme& scheme,
                        std::span<float> restored) {
  require_count(restored.size(), values.size(), "places for restored values");
  const TensorQuantizer quantizer = scanned(values, shape, with_named_axis(scheme, shape));
  const std::size_t pieces = piece_count(values.size(), quantizer.piece_elements());
  std::vector<ErrorSums> errors(pieces);
  parallel_for(pieces, [&](std::size_t i) {
    const Piece piece = piece_at(i, quantizer.piece_elements(), values.size());
    const auto first = static_cast<std::size_t>(piece.first);
    const auto part = restored.subspan(first, piece.size);
    if (restored.data() != values.data()) {
      std::ranges::copy(values.subspan(first, piece.size), part.begin());
    }
    errors[i] = quantizer.round_trip(piece.first, std::as_writable_bytes(part), nullptr);
  });
  ErrorSums all;
  for (const ErrorSums& piece : errors) all.merge(piece);
  return all;
}

std::vector<std::byte> pack_codes(const QuantizedTensor& tensor) {
  const BlockLayout layout = whole_layout(tensor, element_count(tensor.shape), "codes");
  const std::uint64_t elements = tensor.codes.size();
  const std::vector<CodeRange> ranges = ranges_of(tensor.scheme, tensor.params);
  const auto bits = static_cast<std::uint64_t>(tensor.scheme.bits);
  std::vector<std::byte> packed(static_cast<std::size_t>((elements * bits + 7) / 8));
  parallel_for(piece_count(elements, kCodesAtOnce), [&](std::size_t i) {
    const std::vector<std::byte> piece =
        pack_piece(piece_at(i, kCodesAtOnce, elements), tensor, layout, ranges);
    std::ranges::copy(piece,
                      packed.begin() + static_cast<std::ptrdiff_t>(i * (kCodesAtOnce * bits / 8)));
  });
  return packed;
}

}  // namespace narrow
