// What quantization costs next to moving the same bytes: range, codes, restored values and error
// sums of every tensor of ResNet V1 50, against memcpy of the same tensors with the same threads,
// and against the reference, one value at a time. And what measuring without restoring takes, in
// memory: range and errors at 8 or 16 widths, errors between two sets of values. That is as fast as
// sweep, plan and compare can be (bench/large_files.py).
//
// Run it with --benchmark_repetitions=9 --benchmark_enable_random_interleaving=true, so that all
// see the same machine, and compare the medians. "bytes_per_second" counts the tensors' bytes once.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "base/random.h"
#include "narrow/quantize_values.h"
#include "quant/kernels/simd_targets.h"
#include "quant/reference_quantizer.h"
#include "quant/tensor_quantizer.h"

namespace narrow {
namespace {

// Weights of ResNet V1 50 with 1000 classes, in order of size: elements, and how many tensors.
struct TensorSize {
  std::size_t elements;
  int tensors;
};
constexpr std::array<TensorSize, 16> kResNet50 = {{{64 * 64, 1},
                                                   {7 * 7 * 3 * 64, 1},
                                                   {64 * 256, 6},
                                                   {256 * 128, 1},
                                                   {9 * 64 * 64, 3},
                                                   {128 * 512, 7},
                                                   {256 * 512, 2},
                                                   {9 * 128 * 128, 4},
                                                   {256 * 1024, 11},
                                                   {512 * 1024, 2},
                                                   {9 * 256 * 256, 6},
                                                   {512 * 2048, 5},
                                                   {1024 * 2048, 1},
                                                   {2048 * 1000, 1},
                                                   {9 * 512 * 512, 3},
                                                   {1000, 1}}};

std::vector<TensorInfo> all_tensors() {
  std::vector<TensorInfo> tensors;
  for (const TensorSize& size : kResNet50) {
    for (int i = 0; i < size.tensors; ++i) {
      tensors.push_back({std::string("t").append(std::to_string(tensors.size())),
                         DType::kFloat32,
                         {static_cast<std::int64_t>(size.elements)}});
    }
  }
  return tensors;
}

// Values of every tensor, one after the other, each beginning at a cache line.
class Weights {
 public:
  Weights() : tensors_(all_tensors()) {
    for (const TensorInfo& tensor : tensors_) {
      offsets_.push_back(bytes_);
      bytes_ += (tensor.byte_size() + 63) / 64 * 64;
    }
    original_.resize(bytes_);
    work_.resize(bytes_);
    RandomStream random(1, "weights");
    for (std::size_t i = 0; i + sizeof(float) <= bytes_; i += sizeof(float)) {
      const auto value = static_cast<float>(0.05 * random.normal());
      std::memcpy(&original_[i], &value, sizeof(value));
    }
    work_ = original_;
  }

  [[nodiscard]] const std::vector<TensorInfo>& tensors() const { return tensors_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  std::byte* original(std::size_t tensor) { return original_.data() + offsets_[tensor]; }
  std::byte* work(std::size_t tensor) { return work_.data() + offsets_[tensor]; }

 private:
  std::vector<TensorInfo> tensors_;
  std::vector<std::size_t> offsets_;
  std::size_t bytes_ = 0;
  std::vector<std::byte> original_;
  std::vector<std::byte> work_;
};

Weights& weights() {
  static Weights all;
  return all;
}

// Pieces of all tensors, so that threads share the copying evenly.
struct Piece {
  std::size_t tensor;
  std::uint64_t first;
  std::size_t bytes;
};
constexpr std::uint64_t kPieceElements = 262144;

std::vector<Piece> all_pieces() {
  std::vector<Piece> pieces;
  for (std::size_t t = 0; t < weights().tensors().size(); ++t) {
    const std::uint64_t elements = element_count(weights().tensors()[t].shape);
    for (std::uint64_t first = 0; first < elements; first += kPieceElements) {
      pieces.push_back({t, first, std::min(kPieceElements, elements - first) * sizeof(float)});
    }
  }
  return pieces;
}

void set_rate(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(weights().bytes()));
  state.SetLabel(chosen_simd_target());
}

void copy_bytes(benchmark::State& state) {
  const ThreadLimit limit(static_cast<int>(state.range(0)));
  const std::vector<Piece> pieces = all_pieces();
  for (auto _ : state) {
    parallel_for(pieces.size(), [&](std::size_t i) {
      const std::size_t offset = pieces[i].first * sizeof(float);
      std::memcpy(weights().work(pieces[i].tensor) + offset,
                  weights().original(pieces[i].tensor) + offset, pieces[i].bytes);
    });
    benchmark::ClobberMemory();
  }
  set_rate(state);
}

ErrorSums quantize_tensor(const Scheme& scheme, const TensorInfo& info, std::byte* values) {
  TensorQuantizer quantizer(scheme, info, -1);
  quantizer.scan({values, info.byte_size()});
  quantizer.finish_scan();
  // The last pieces first: those are what the scan has left in the caches.
  const std::uint64_t elements = element_count(info.shape);
  const std::uint64_t piece = quantizer.piece_elements();
  std::vector<ErrorSums> pieces((elements + piece - 1) / piece);
  for (std::size_t i = pieces.size(); i-- > 0;) {
    const std::uint64_t first = i * piece;
    const std::uint64_t length = std::min(piece, elements - first);
    pieces[i] = quantizer.round_trip(
        first, {values + first * sizeof(float), length * sizeof(float)}, nullptr);
  }
  ErrorSums sums;
  for (const ErrorSums& next : pieces) sums.merge(next);
  return sums;
}

// Calls body(tensor) for all tensors: a thread takes the largest that is left, so that all end at
// about the same time.
template <typename Body>
void for_tensors(std::size_t threads, const Body& body) {
  const std::size_t count = weights().tensors().size();
  std::atomic<std::size_t> next = 0;
  parallel_for(threads, [&](std::size_t) {
    for (std::size_t taken = next++; taken < count; taken = next++) body(count - 1 - taken);
  });
}

// Quantizes what the last run left: the values change little, the work not at all.
void quantize(benchmark::State& state, SchemeKind kind) {
  const ThreadLimit limit(static_cast<int>(state.range(0)));
  const std::vector<TensorInfo>& tensors = weights().tensors();
  Scheme scheme;
  scheme.kind = kind;
  for (auto _ : state) {
    std::vector<ErrorSums> sums(tensors.size());
    for_tensors(static_cast<std::size_t>(state.range(0)), [&](std::size_t t) {
      sums[t] = quantize_tensor(scheme, tensors[t], weights().work(t));
    });
    benchmark::DoNotOptimize(sums.data());
  }
  set_rate(state);
}

// The least widths: symmetric codes have at least two bits.
ErrorSums measure_widths(SchemeKind kind, int widths, const TensorInfo& info,
                         std::span<const std::byte> values) {
  Scheme scheme;
  scheme.kind = kind;
  TensorQuantizer scanned(scheme, info, -1);
  scanned.scan(values);
  scanned.finish_scan();
  std::vector<TensorQuantizer> quantizers;
  const int first_width = kind == SchemeKind::kSymmetric ? 2 : 1;
  for (int i = 0; i < widths; ++i) {
    scheme.bits = first_width + i;
    quantizers.push_back(scanned.with_scheme(scheme));
  }
  const std::uint64_t elements = element_count(info.shape);
  const std::uint64_t piece = scanned.piece_elements();
  ErrorSums sums;
  for (std::uint64_t first = 0; first < elements; first += piece) {
    const std::uint64_t length = std::min(piece, elements - first);
    const auto part = values.subspan(first * sizeof(float), length * sizeof(float));
    for (const ErrorSums& next : TensorQuantizer::measure_each(quantizers, first, part)) {
      sums.merge(next);
    }
  }
  return sums;
}

void measure(benchmark::State& state, SchemeKind kind, int widths) {
  const ThreadLimit limit(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    for_tensors(static_cast<std::size_t>(state.range(0)), [&](std::size_t t) {
      const TensorInfo& info = weights().tensors()[t];
      benchmark::DoNotOptimize(
          measure_widths(kind, widths, info, {weights().original(t), info.byte_size()}));
    });
  }
  set_rate(state);
}

void compare(benchmark::State& state) {
  const ThreadLimit limit(static_cast<int>(state.range(0)));
  const std::vector<Piece> pieces = all_pieces();
  for (auto _ : state) {
    parallel_for(pieces.size(), [&](std::size_t i) {
      const auto values = [&](std::byte* tensor) {
        return std::span<const float>(reinterpret_cast<const float*>(tensor) + pieces[i].first,
                                      pieces[i].bytes / sizeof(float));
      };
      benchmark::DoNotOptimize(measure_error(values(weights().original(pieces[i].tensor)),
                                             values(weights().work(pieces[i].tensor))));
    });
  }
  set_rate(state);
}

void quantize_naively(benchmark::State& state) {
  constexpr std::size_t kValues = 1 << 20;
  const auto* const values = reinterpret_cast<const float*>(weights().original(0));
  const Scheme scheme;
  for (auto _ : state) {
    const auto [lo, hi] = std::minmax_element(values, values + kValues);
    const BlockParams params = fit_range(*lo, *hi, scheme);
    ErrorSums sums;
    for (std::size_t i = 0; i < kValues; ++i) {
      const double x = values[i];
      const std::int64_t code = reference_code(values[i], scheme, params);
      const double r = reference_float(reference_value(code, scheme, params));
      const double d = r - x;
      sums.merge({1, x * x, d * d, d, x * r, std::abs(d)});
    }
    benchmark::DoNotOptimize(sums);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kValues * sizeof(float)));
}

BENCHMARK(copy_bytes)->Name("memcpy")->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK_CAPTURE(quantize, bin, SchemeKind::kBin)->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK_CAPTURE(quantize, fixed_point, SchemeKind::kFixedPoint)->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK_CAPTURE(measure, bin_8_widths, SchemeKind::kBin, 8)->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK_CAPTURE(measure, bin_16_widths, SchemeKind::kBin, 16)->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK_CAPTURE(measure, symmetric_8_widths, SchemeKind::kSymmetric, 8)
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime();
BENCHMARK(compare)->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK(quantize_naively)->UseRealTime();

}  // namespace
}  // namespace narrow

BENCHMARK_MAIN();
