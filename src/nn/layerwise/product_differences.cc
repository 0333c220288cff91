#include "nn/layerwise/product_differences.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <utility>

#include "base/parallel.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// Products of matrices have their channels last: one thread takes so many that lie side by side.
constexpr std::size_t kChannelsTogether = 16;

const float* product_values(const GraphArray& array) {
  return reinterpret_cast<const float*>(array.bytes.data());
}

// Sums of several values that a CPU can add up side by side.
struct SideBySide {
  static constexpr std::size_t kLanes = 8;
  using Lanes = std::array<double, kLanes>;

  Lanes mean = {};
  Lanes second = {};
  Lanes wanted_mean = {};
  Lanes wanted_second = {};

  void add(std::size_t lane, float z, float t) {
    const double wanted = t;
    const double difference = z - wanted;
    mean[lane] += difference;
    second[lane] += difference * difference;
    wanted_mean[lane] += wanted;
    wanted_second[lane] += wanted * wanted;
  }
};

double total(const SideBySide::Lanes& lanes) {
  return std::accumulate(lanes.begin(), lanes.end(), 0.0);
}

// The values of channels first .. last - 1, which lie `inner` by `inner`, `channels` of those in an
// entry.
void add_channels(const float* z, const float* t, std::size_t entries, std::size_t channels,
                  std::size_t inner, std::size_t first, std::size_t last,
                  ProductDifferences& sums) {
  constexpr std::size_t kLanes = SideBySide::kLanes;
  for (std::size_t entry = 0; entry < entries; ++entry) {
    for (std::size_t c = first; c < last; ++c) {
      const std::size_t begin = (entry * channels + c) * inner;
      SideBySide lanes;
      std::size_t i = 0;
      for (; i + kLanes <= inner; i += kLanes) {
        for (std::size_t k = 0; k < kLanes; ++k) lanes.add(k, z[begin + i + k], t[begin + i + k]);
      }
      for (std::size_t k = 0; i < inner; ++i, ++k) lanes.add(k, z[begin + i], t[begin + i]);
      sums.mean[c] += total(lanes.mean);
      sums.second[c] += total(lanes.second);
      sums.wanted_mean[c] += total(lanes.wanted_mean);
      sums.wanted_second[c] += total(lanes.wanted_second);
    }
  }
}

template <typename Differences>
auto parts_of(Differences& sums) {
  return std::array{&sums.mean, &sums.second, &sums.wanted_mean, &sums.wanted_second};
}

}  // namespace

std::size_t values_side_by_side(const LinearLayer& layer, const Shape& product) {
  std::size_t count = 1;
  for (std::size_t axis = 2; layer.is_convolution() && axis < product.size(); ++axis) {
    count *= static_cast<std::size_t>(product[axis]);
  }
  return count;
}

ProductDifferenceSums::ProductDifferenceSums(const LinearLayer& layer) : layer_(layer) {
  for (std::vector<double>* const sums : parts_of(sums_)) sums->assign(layer.out_channels, 0);
}

void ProductDifferenceSums::add(const GraphArray& z, const GraphArray& t) {
  const std::size_t channels = layer_.out_channels;
  const std::size_t inner = values_side_by_side(layer_, t.shape);
  const std::size_t count = t.bytes.size() / sizeof(float);
  const bool are_floats = z.type == DType::kFloat32 && t.type == DType::kFloat32;
  if (!are_floats || z.shape != t.shape || inner == 0 || count % (channels * inner) != 0) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} makes {} and {}, which are no float32 values of {} channels",
                            layer_.name, to_string(z.shape), to_string(t.shape), channels));
  }
  const std::size_t entries = count / (channels * inner);
  parallel_for((channels + kChannelsTogether - 1) / kChannelsTogether, [&](std::size_t part) {
    const std::size_t first = part * kChannelsTogether;
    add_channels(product_values(z), product_values(t), entries, channels, inner, first,
                 std::min(channels, first + kChannelsTogether), sums_);
  });
  sums_.values += static_cast<double>(entries * inner);
}

void ProductDifferenceSums::merge(const ProductDifferenceSums& other) {
  const auto from = parts_of(other.sums_);
  const auto to = parts_of(sums_);
  for (std::size_t part = 0; part < to.size(); ++part) {
    for (std::size_t c = 0; c < to[part]->size(); ++c) (*to[part])[c] += (*from[part])[c];
  }
  sums_.values += other.sums_.values;
}

void ProductDifferenceSums::put(ByteRecord& record) const {
  record.put(sums_.values);
  for (const auto* const sums : parts_of(sums_)) record.put_bytes(std::as_bytes(std::span(*sums)));
}

void ProductDifferenceSums::set(ByteRecordReader& reader) {
  sums_.values = reader.take<double>();
  for (std::vector<double>* const sums : parts_of(sums_)) {
    for (double& sum : *sums) sum = reader.take<double>();
  }
}

ProductDifferences ProductDifferenceSums::take() {
  for (std::vector<double>* const sums : parts_of(sums_)) {
    for (double& sum : *sums) sum /= sums_.values > 0 ? sums_.values : 1;
  }
  return std::move(sums_);
}

}  // namespace narrow
