// Writes random tensors and what this library makes of them, for numerics_oracle.py.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "narrow/quantize_values.h"
#include "quant/elements/element_chunk.h"
#include "quant/tensor_quantizer.h"
#include "quant/testing/test_values.h"

namespace narrow {
namespace {

class CaseWriter {
 public:
  explicit CaseWriter(std::filesystem::path folder)
      : folder_(std::move(folder)), index_(folder_ / "cases.txt") {}

  void write(const Scheme& scheme, const TensorInfo& info, ValueKind kind) {
    std::vector<std::byte> bytes = tensor_bytes(info, kind);
    const std::string name = std::to_string(cases_++);
    write_file<std::byte>(name + ".in", bytes);
    if (scheme.granularity.kind == Granularity::Kind::kTensor)
      write_codes(name, scheme, info, bytes);
    CodeCounts counts;
    const ErrorSums sums = quantize(scheme, info, bytes, &counts);
    write_file<std::byte>(name + ".out", bytes);
    if (!counts.counts.empty()) write_file<std::uint64_t>(name + ".counts", counts.counts);
    index_ << name << ' ' << to_string(scheme.kind) << ' '
           << (scheme.scaling == Scaling::kDecimal ? "decimal" : "binary") << ' '
           << to_string(scheme.range) << ' ' << scheme.bits << ' ' << to_string(scheme.granularity)
           << ' ' << scheme.granularity.axis.value_or(-1) << ' ' << to_string(info.dtype) << ' ';
    const FixedFormat& format = scheme.format;
    index_ << (format.fraction_bits ? std::to_string(*format.fraction_bits) : "fitted") << ' '
           << (format.always_signed ? "always" : "auto") << ' ' << to_string(format.round_mode)
           << ' ' << to_string(format.overflow) << ' ' << sums.overflowed << ' ';
    for (const std::int64_t dim : info.shape) index_ << dim << 'x';
    index_ << std::hexfloat;
    for (const double sum : {sums.sum_x2, sums.sum_d2, sums.sum_d, sums.sum_xr, sums.max_abs_d}) {
      index_ << ' ' << sum;
    }
    index_ << '\n';
  }

  [[nodiscard]] bool good() const { return index_.good(); }

 private:
  template <typename T>
  void write_file(const std::string& name, std::span<const T> values) {
    std::ofstream file(folder_ / name, std::ios::binary);
    const auto bytes = std::as_bytes(values);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) index_.setstate(std::ios::failbit);
  }

  std::vector<std::byte> tensor_bytes(const TensorInfo& info, ValueKind kind) {
    std::vector<double> values(element_count(info.shape));
    for (double& value : values) {
      value = random_value(kind, &random_);
      if (info.dtype == DType::kFloat64) value *= 1 - random_.uniform() * 0x1p-22;
    }
    std::vector<std::byte> bytes(info.byte_size());
    store_rounded(info.dtype, values.data(), values.size(), bytes.data());
    return bytes;
  }

  void write_codes(const std::string& name, const Scheme& scheme, const TensorInfo& info,
                   const std::vector<std::byte>& bytes) {
    std::vector<float> values(element_count(info.shape));
    load_as_float(info.dtype, bytes.data(), values.size(), values.data());
    std::vector<std::int64_t> codes(values.size());
    encode(values, scheme, fit(values, scheme), codes);
    write_file<std::int64_t>(name + ".codes", codes);
  }

  static ErrorSums quantize(const Scheme& scheme, const TensorInfo& info,
                            std::span<std::byte> bytes, CodeCounts* counts) {
    TensorQuantizer quantizer(scheme, info, -1);
    quantizer.scan(bytes);
    quantizer.finish_scan();
    ErrorSums sums;
    const std::uint64_t elements = element_count(info.shape);
    const std::size_t size = element_size(info.dtype);
    for (std::uint64_t first = 0; first < elements; first += quantizer.piece_elements()) {
      const std::uint64_t length = std::min(quantizer.piece_elements(), elements - first);
      sums.merge(quantizer.round_trip(first, bytes.subspan(first * size, length * size), counts));
    }
    return sums;
  }

  std::filesystem::path folder_;
  std::ofstream index_;
  RandomStream random_{1, "oracle"};
  int cases_ = 0;
};

struct Layout {
  Granularity granularity;
  Shape shape;
};

std::vector<Layout> layouts() {
  using Kind = Granularity::Kind;
  return {{{}, {37, 61}},
          {{Kind::kChannel, 0, 0}, {6, 5, 31}},
          {{Kind::kChannel, 0, -1}, {3, 3, 8, 24}},
          {{Kind::kChannel, 0, 1}, {5, 4, 70}},
          {{Kind::kGroup, 32, {}}, {2100}},
          {{Kind::kGroup, 25, {}}, {3, 333}}};
}

void write_all(CaseWriter* writer) {
  constexpr std::array<DType, 4> kTypes = {DType::kFloat32, DType::kFloat64, DType::kFloat16,
                                           DType::kBFloat16};
  std::size_t turn = 0;
  for (Scheme scheme : all_schemes()) {
    for (int bits = 1; bits <= 32; ++bits) {
      if (scheme.kind == SchemeKind::kSymmetric && bits == 1) continue;
      scheme.bits = bits;
      for (const Layout& layout : layouts()) {
        scheme.granularity = layout.granularity;
        for (const DType dtype : kTypes) {
          const ValueKind kind = kValueKinds.at(turn++ % kValueKinds.size());
          writer->write(scheme, {"t", dtype, layout.shape}, kind);
        }
      }
    }
    scheme.bits = 8;
    for (const Layout& layout :
         {Layout{{}, {700, 811}}, Layout{{Granularity::Kind::kGroup, 300, {}}, {600, 901}},
          Layout{{Granularity::Kind::kChannel, 0, -1}, {3, 3, 300, 111}}}) {
      scheme.granularity = layout.granularity;
      writer->write(scheme, {"t", DType::kFloat32, layout.shape}, ValueKind::kNormal);
    }
  }
}

// Every mode with every layout and many widths, but not each with each.
void write_formats(CaseWriter* writer) {
  constexpr std::array<DType, 4> kTypes = {DType::kFloat32, DType::kFloat64, DType::kFloat16,
                                           DType::kBFloat16};
  const std::vector<Layout> all_layouts = layouts();
  std::size_t turn = 0;
  for (Scheme scheme : format_schemes()) {
    for (const int bits : {1, 2, 3, 5, 8, 11, 16, 24, 31, 32}) {
      if (!has_width(scheme, bits)) continue;
      scheme.bits = bits;
      const Layout& layout = all_layouts[turn % all_layouts.size()];
      scheme.granularity = layout.granularity;
      const DType dtype = kTypes.at(turn / 5 % kTypes.size());
      writer->write(scheme, {"t", dtype, layout.shape}, kValueKinds.at(turn % 7 % 6));
      ++turn;
    }
  }
  Scheme scheme;
  scheme.kind = SchemeKind::kFixedPoint;
  for (const char* const range : {"mse", "aciq", "percentile:90"}) {
    scheme.range = parse_range(range);
    for (const int bits : {2, 4, 7, 11}) {
      scheme.bits = bits;
      scheme.format = {{}, bits == 4, RoundMode::kFloor, Overflow::kSymmetric};
      writer->write(scheme, {"t", DType::kFloat32, {19, 71}}, ValueKind::kNormal);
      scheme.format = {{}, bits == 7, RoundMode::kHalfAway, Overflow::kSaturate};
      writer->write(scheme, {"t", DType::kFloat32, {19, 71}}, ValueKind::kNormal);
    }
  }
}

// Fits of all values of a block; the oracle takes longer for them.
void write_value_fits(CaseWriter* writer) {
  using Kind = Granularity::Kind;
  const std::vector<Layout> small = {
      {{}, {19, 71}}, {{Kind::kChannel, 0, -1}, {3, 20, 7}}, {{Kind::kGroup, 50, {}}, {430}}};
  std::size_t turn = 0;
  for (Scheme scheme : value_schemes()) {
    for (const int bits : {1, 2, 3, 4, 5, 6, 7, 8, 11, 16, 25, 32}) {
      if (!has_width(scheme, bits)) continue;
      scheme.bits = bits;
      for (const Layout& layout : small) {
        scheme.granularity = layout.granularity;
        const DType dtype = turn % 3 == 0 ? DType::kFloat16 : DType::kFloat32;
        const ValueKind kind = kValueKinds.at(turn++ % kValueKinds.size());
        writer->write(scheme, {"t", dtype, layout.shape}, kind);
      }
    }
    scheme.bits = 4;
    scheme.granularity = {};
    writer->write(scheme, {"t", DType::kFloat32, {700, 811}}, ValueKind::kNormal);
  }
}

}  // namespace
}  // namespace narrow

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: write_oracle_cases FOLDER\n", stderr);
    return 2;
  }
  narrow::CaseWriter writer(argv[1]);
  narrow::write_all(&writer);
  narrow::write_value_fits(&writer);
  narrow::write_formats(&writer);
  return writer.good() ? 0 : 1;
}
