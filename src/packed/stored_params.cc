#include "packed/stored_params.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/bytes.h"
#include "narrow/error.h"
#include "narrow/quantize_values.h"

namespace narrow {
namespace {

// Every float32 is a multiple of 2^-149, and all are below 2^128.
constexpr int kMostFractionBits = 149;
constexpr int kLeastFractionBits = -160;
constexpr int kMostDecimalFractionBits = 32;
constexpr int kMostDecimalExponent = 45;

float largest_of(const BlockParams& params) {
  return static_cast<float>(std::max(-params.lo, params.hi));
}

template <typename T, typename Get>
std::vector<std::byte> numbers(std::span<const BlockParams> params, const Get& get) {
  std::vector<std::byte> bytes(params.size() * sizeof(T));
  for (std::size_t i = 0; i < params.size(); ++i) {
    store_le(bytes.data() + i * sizeof(T), static_cast<T>(get(params[i])));
  }
  return bytes;
}

template <typename T, typename Set>
void set_numbers(std::span<const std::byte> bytes, std::span<BlockParams> params, const Set& set) {
  for (std::size_t i = 0; i < params.size(); ++i) {
    set(params[i], load_le<T>(bytes.data() + i * sizeof(T)));
  }
}

std::vector<std::byte> levels_to_bytes(std::span<const BlockParams> params) {
  std::vector<std::byte> bytes;
  for (const BlockParams& block : params) {
    const auto levels = std::as_bytes(std::span(block.levels));
    bytes.insert(bytes.end(), levels.begin(), levels.end());
  }
  return bytes;
}

bool are_finite(double a, double b) { return std::isfinite(a) && std::isfinite(b); }

bool is_within(int value, int least, int most) { return least <= value && value <= most; }

// What is wrong with the parameters of a block; empty when nothing is.
std::string complaint(const Scheme& scheme, const BlockParams& params) {
  switch (scheme.kind) {
    case SchemeKind::kBin:
    case SchemeKind::kAffine:
    case SchemeKind::kSymmetric:
      if (!are_finite(params.lo, params.hi)) return "a range that is not finite";
      if (params.lo > params.hi) return "a range that ends before it begins";
      break;
    case SchemeKind::kFixedPoint:
      if (scheme.format.always_signed && !params.is_signed) return "no sign, which its format has";
      if (scheme.scaling == Scaling::kBinary) {
        if (scheme.format.fraction_bits.has_value()
                ? params.fraction_bits == *scheme.format.fraction_bits
                : is_within(params.fraction_bits, kLeastFractionBits, kMostFractionBits)) {
          break;
        }
        return fmt::format("{} fraction bits", params.fraction_bits);
      }
      if (!is_within(params.fraction_bits, 0, kMostDecimalFractionBits)) {
        return fmt::format("{} fraction bits", params.fraction_bits);
      }
      if (!is_within(params.decimal_exponent, 0, kMostDecimalExponent)) {
        return fmt::format("the decimal exponent {}", params.decimal_exponent);
      }
      break;
    case SchemeKind::kCodebook:
      if (!std::ranges::all_of(params.levels, [](float level) { return std::isfinite(level); })) {
        return "levels that are not finite";
      }
      if (!std::ranges::is_sorted(params.levels)) return "levels that are not in ascending order";
      break;
  }
  return "";
}

bool follows_from_range(SchemeKind kind) {
  return kind == SchemeKind::kBin || kind == SchemeKind::kAffine || kind == SchemeKind::kSymmetric;
}

}  // namespace

std::vector<std::byte> params_to_bytes(PackedPart part, std::span<const BlockParams> params) {
  switch (part) {
    case PackedPart::kLo:
      return numbers<float>(params, [](const BlockParams& block) { return block.lo; });
    case PackedPart::kHi:
      return numbers<float>(params, [](const BlockParams& block) { return block.hi; });
    case PackedPart::kLargest:
      return numbers<float>(params, largest_of);
    case PackedPart::kFractionBits:
      return numbers<std::int16_t>(params,
                                   [](const BlockParams& block) { return block.fraction_bits; });
    case PackedPart::kSigned:
      return numbers<std::uint8_t>(params,
                                   [](const BlockParams& block) { return block.is_signed; });
    case PackedPart::kDecimalExponent:
      return numbers<std::uint8_t>(params,
                                   [](const BlockParams& block) { return block.decimal_exponent; });
    case PackedPart::kLevels:
      return levels_to_bytes(params);
    case PackedPart::kUnchanged:
    case PackedPart::kRaw:
    case PackedPart::kCodes:
      break;
  }
  return {};
}

void params_from_bytes(PackedPart part, const Scheme& scheme, std::span<const std::byte> bytes,
                       std::span<BlockParams> params) {
  switch (part) {
    case PackedPart::kLo:
      return set_numbers<float>(bytes, params, [](BlockParams& b, float lo) { b.lo = lo; });
    case PackedPart::kHi:
      return set_numbers<float>(bytes, params, [](BlockParams& b, float hi) { b.hi = hi; });
    case PackedPart::kLargest:
      return set_numbers<float>(bytes, params, [](BlockParams& b, float largest) {
        b.lo = -largest;
        b.hi = largest;
      });
    case PackedPart::kFractionBits:
      return set_numbers<std::int16_t>(
          bytes, params, [](BlockParams& b, std::int16_t bits) { b.fraction_bits = bits; });
    case PackedPart::kSigned:
      return set_numbers<std::uint8_t>(
          bytes, params, [](BlockParams& b, std::uint8_t flag) { b.is_signed = flag != 0; });
    case PackedPart::kDecimalExponent:
      return set_numbers<std::uint8_t>(
          bytes, params, [](BlockParams& b, std::uint8_t s) { b.decimal_exponent = s; });
    case PackedPart::kLevels: {
      const std::uint64_t count = parameters_per_block(part, scheme);
      for (std::size_t i = 0; i < params.size(); ++i) {
        params[i].levels.resize(count);
        std::memcpy(params[i].levels.data(), bytes.data() + i * count * sizeof(float),
                    count * sizeof(float));
      }
      return;
    }
    case PackedPart::kUnchanged:
    case PackedPart::kRaw:
    case PackedPart::kCodes:
      break;
  }
}

void complete_params(const Scheme& scheme, const std::string& name, std::uint64_t first_block,
                     std::span<BlockParams> params) {
  for (std::size_t i = 0; i < params.size(); ++i) {
    const std::string problem = complaint(scheme, params[i]);
    if (!problem.empty()) {
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("block {} of tensor {} has {}: the packed file is damaged",
                              first_block + i, name, problem));
    }
    if (follows_from_range(scheme.kind)) params[i] = fit_range(params[i].lo, params[i].hi, scheme);
  }
}

}  // namespace narrow
