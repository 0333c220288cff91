// Weights become rows [out, in / group, taps]. Where all sums fit in 32 bits they are packed for
// the kernels: output channels in tiles, input channels in pairs; groups whose channels do not fill
// vectors are joined to blocks with zeros between them. The rest goes through the reference
// operator, whose doubles hold every sum exactly.
#include "nn/integer/integer_linear.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "graph/operators/window.h"
#include "narrow/error.h"
#include "nn/integer/integer_kernels.h"

namespace narrow {
namespace {

using integer::kHalfTile;
using integer::kTileChannels;
using integer::kTilePixels;

// Pixels whose places are looked up together.
constexpr std::size_t kPixelBlock = 4 * kTilePixels;

// Doubles hold every integer of a smaller magnitude.
constexpr double kMostExact = 0x1p53;

std::size_t whole_tiles(std::size_t channels) {
  return (channels + kHalfTile - 1) / kHalfTile * kHalfTile;
}

bool is_16_bits(std::int64_t value) {
  return std::abs(value) <= std::numeric_limits<std::int16_t>::max();
}

bool fits_32_bits(std::int64_t value) {
  return value >= std::numeric_limits<std::int32_t>::min() &&
         value <= std::numeric_limits<std::int32_t>::max();
}

[[noreturn]] void refuse_sums(const QuantizedGraph& graph, const Node& node,
                              const std::string& why) {
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{} of {}: {}", node.name, graph.graph().name, why));
}

}  // namespace

int SumBounds::bits() const {
  const auto magnitude = [](std::int64_t value) {
    return static_cast<std::uint64_t>(value < 0 ? ~value : value);
  };
  return 1 + static_cast<int>(std::bit_width(std::max(magnitude(least), magnitude(greatest))));
}

IntegerLinear::IntegerLinear(const QuantizedGraph& graph, const QuantizedStep& step, bool is_wide) {
  const Node& node = step.node(graph.graph());
  const IntegerFormat& x = *graph.format(step.inputs[0]);
  attributes_ = node.attributes;
  x_scale_ = x.scale;
  makes_codes_ = step.makes_codes;
  take_weights(graph, node);
  take_biases(graph, node);
  if (makes_codes_) requantization_ = {x_scale_, scales_, *graph.format(step.output)};
  find_bounds(graph, node, x);
  const bool is_narrow = fits_32_bits(bounds_.least) && fits_32_bits(bounds_.greatest) &&
                         std::ranges::all_of(biases_, fits_32_bits) &&
                         std::ranges::all_of(weights_, is_16_bits);
  if (!is_wide && !is_plain_ && is_narrow) pack();
  if (!is_fast()) return;
  weights_.clear();
  plain_weights_ = {};
}

void IntegerLinear::take_weights(const QuantizedGraph& graph, const Node& node) {
  const std::size_t rank = *graph.stored_rank(node.inputs[1]);
  const std::size_t axis = output_axis(node, rank);
  StoredCodes stored = *graph.stored_codes(node.inputs[1], axis);
  scales_ = std::move(stored.scales);
  out_channels_ = static_cast<std::size_t>(stored.shape[axis]);
  plain_weights_ = ReferenceTensor::zeros(stored.shape);
  std::ranges::copy(stored.codes, plain_weights_.values.begin());
  if (const auto* const conv = std::get_if<op::Conv>(&node.attributes)) {
    groups_ = conv->group;
    in_channels_ = static_cast<std::size_t>(stored.shape[1] * groups_);
    window_ = conv->window;
    for (const std::int64_t size : window_.kernel) taps_ *= static_cast<std::size_t>(size);
    is_plain_ = window_.rank() != 2;
    weights_ = std::move(stored.codes);
    return;
  }
  // [..., in, out] or [out, in] or [in, out, taps...]
  std::size_t inner = 1;
  for (std::size_t i = axis + 1; i < rank; ++i) inner *= static_cast<std::size_t>(stored.shape[i]);
  const std::size_t columns = stored.codes.size() / std::max<std::size_t>(out_channels_, 1);
  weights_.resize(stored.codes.size());
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const std::size_t channel = i / inner % out_channels_;
    const std::size_t column = i / (inner * out_channels_) * inner + i % inner;
    weights_[channel * columns + column] = stored.codes[i];
  }
  if (std::holds_alternative<op::ConvTranspose>(node.attributes)) {
    is_plain_ = true;
    return;
  }
  is_rows_ = true;
  is_plain_ = rank != 2;
  in_channels_ = columns;
  if (axis == 0) {
    plain_weights_.shape = {stored.shape[1], stored.shape[0]};
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      plain_weights_.values[i % columns * out_channels_ + i / columns] =
          static_cast<double>(weights_[i]);
    }
  }
  attributes_ = op::MatMul{};
}

// Integers in units of s_x s_w: those of the file where it has them so.
void IntegerLinear::take_biases(const QuantizedGraph& graph, const Node& node) {
  biases_.assign(out_channels_, 0);
  if (node.inputs.size() < 3 || node.inputs[2] == kNoValue) return;
  const ReferenceTensor& numbers = *graph.stored(node.inputs[2]);
  const bool is_vector = numbers.size() == out_channels_;
  std::optional<StoredCodes> codes;
  const auto rank = graph.stored_rank(node.inputs[2]);
  if (rank && is_vector && *rank >= 1) codes = graph.stored_codes(node.inputs[2], *rank - 1);
  for (std::size_t c = 0; c < out_channels_; ++c) {
    if (codes && codes->scales[codes->scales.size() == 1 ? 0 : c] == unit(c)) {
      biases_[c] = codes->codes[c];
    } else {
      const double bias = numbers.values[is_vector ? c : 0];
      const double units = std::nearbyint(bias / static_cast<double>(unit(c)));
      if (!(std::abs(units) < kMostExact)) {
        refuse_sums(graph, node,
                    fmt::format("its bias {:g} has {:g} units of {:g}, expected fewer than 2^53",
                                bias, units, unit(c)));
      }
      biases_[c] = static_cast<std::int64_t>(units);
    }
  }
}

// In double, where nothing overflows: each sum only falls or only rises, so that it is exact if its
// end is.
void IntegerLinear::find_bounds(const QuantizedGraph& graph, const Node& node,
                                const IntegerFormat& x) {
  const std::size_t columns = weights_.size() / std::max<std::size_t>(out_channels_, 1);
  double least = 0;
  double greatest = 0;
  for (std::size_t c = 0; c < out_channels_; ++c) {
    auto least_sum = static_cast<double>(biases_[c]);
    double greatest_sum = least_sum;
    for (std::size_t i = 0; i < columns; ++i) {
      const auto [low, high] = std::minmax(
          {weights_[c * columns + i] * x.least, weights_[c * columns + i] * x.greatest});
      least_sum += static_cast<double>(low);
      greatest_sum += static_cast<double>(high);
    }
    least = std::min(least, least_sum);
    greatest = std::max(greatest, greatest_sum);
  }
  const double magnitude = std::max(-least, greatest);
  if (magnitude >= kMostExact) {
    refuse_sums(
        graph, node,
        fmt::format("its sums need {} bits, expected at most 53", std::ilogb(magnitude) + 2));
  }
  bounds_ = {static_cast<std::int64_t>(least), static_cast<std::int64_t>(greatest)};
}

std::int64_t IntegerLinear::groups_together() const {
  const auto groups = static_cast<std::size_t>(groups_);
  const std::size_t in = in_channels_ / groups;
  const std::size_t out = out_channels_ / groups;
  for (std::size_t together = 1; together < groups; ++together) {
    if (groups % together == 0 && together * out % kHalfTile == 0 && together * in % 2 == 0) {
      return static_cast<std::int64_t>(together);
    }
  }
  return groups_;
}

void IntegerLinear::pack() {
  is_depthwise_ = groups_ > 1 && static_cast<std::size_t>(groups_) == in_channels_ &&
                  in_channels_ == out_channels_;
  if (is_depthwise_) {
    pack_depthwise();
    return;
  }
  const auto groups = static_cast<std::size_t>(groups_);
  const auto together = static_cast<std::size_t>(groups_together());
  blocks_ = groups / together;
  const std::size_t in = in_channels_ / groups;
  const std::size_t out = out_channels_ / groups;
  const std::size_t pairs = (in * together + 1) / 2;
  const std::size_t block_out = whole_tiles(out * together);
  packed_.assign(blocks_ * block_out * taps_ * pairs, 0);
  packed_biases_.assign(blocks_ * block_out, 0);
  packed_factors_.assign(blocks_ * block_out, 0);
  for (std::size_t c = 0; c < out_channels_; ++c) {
    const std::size_t block = c / (out * together);
    const std::size_t row = c % (out * together);
    const std::size_t first_in = row / out * in;  // of its group within the block
    const std::size_t tile = row / kTileChannels * kTileChannels;
    const std::size_t width = std::min(kTileChannels, block_out - tile);
    std::int32_t* const to = packed_.data() + (block * block_out + tile) * taps_ * pairs;
    for (std::size_t tap = 0; tap < taps_; ++tap) {
      for (std::size_t i = 0; i < in; ++i) {
        const auto weight = static_cast<std::int16_t>(weights_[(c * in + i) * taps_ + tap]);
        const std::size_t at = first_in + i;
        std::int32_t& packed = to[(tap * pairs + at / 2) * width + (row - tile)];
        packed |= at % 2 == 0 ? integer::pair(weight, 0) : integer::pair(0, weight);
      }
    }
    packed_biases_[block * block_out + row] = static_cast<std::int32_t>(biases_[c]);
    if (makes_codes_) packed_factors_[block * block_out + row] = requantization_.factor(c);
  }
}

void IntegerLinear::pack_depthwise() {
  const std::size_t width = whole_tiles(out_channels_);
  packed_.assign(width * taps_, 0);
  packed_biases_.assign(width, 0);
  packed_factors_.assign(width, 0);
  for (std::size_t c = 0; c < out_channels_; ++c) {
    for (std::size_t tap = 0; tap < taps_; ++tap) {
      packed_[tap * width + c] =
          integer::pair(static_cast<std::int16_t>(weights_[c * taps_ + tap]), 0);
    }
    packed_biases_[c] = static_cast<std::int32_t>(biases_[c]);
    if (makes_codes_) packed_factors_[c] = requantization_.factor(c);
  }
}

// Of the pixels that windows look at; rows of a matrix are single pixels.
struct IntegerLinear::Geometry {
  Shape result;
  std::int64_t in_height = 1;
  std::int64_t in_width = 1;
  std::int64_t out_height = 1;
  std::int64_t out_width = 1;
  std::int64_t before_y = 0;
  std::int64_t before_x = 0;
};

IntegerLinear::Geometry IntegerLinear::geometry(const Shape& x) const {
  const auto out = static_cast<std::int64_t>(out_channels_);
  if (x[1] != static_cast<std::int64_t>(in_channels_)) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("an input of {} channels, expected {}", x[1], in_channels_));
  }
  if (is_rows_) return {{x[0], out}};
  Geometry geometry;
  geometry.in_height = x[2];
  geometry.in_width = x[3];
  const WindowPlaces rows = window_places(window_, 0, x[2]);
  const WindowPlaces columns = window_places(window_, 1, x[3]);
  geometry.before_y = rows.before;
  geometry.before_x = columns.before;
  geometry.out_height = rows.count;
  geometry.out_width = columns.count;
  geometry.result = {x[0], out, rows.count, columns.count};
  return geometry;
}

// Calls take(places, first pixel of the result, number of pixels); places[tap * kPixelBlock + i]
// points to the channels of a pixel.
template <typename Take>
void IntegerLinear::for_each_tile(const CodeArray& x, const Geometry& geometry,
                                  const Take& take) const {
  const std::vector<std::int16_t> zeros(x.stride() + kTileChannels, 0);
  const std::int16_t* const codes = x.codes<std::int16_t>();
  std::vector<const std::int16_t*> places(taps_ * kPixelBlock);
  const std::int64_t in_pixels = geometry.in_height * geometry.in_width;
  const std::int64_t out_pixels = geometry.out_height * geometry.out_width;
  const std::int64_t count = x.shape()[0] * out_pixels;
  const std::int64_t kernel_width = is_rows_ ? 1 : window_.kernel[1];
  for (std::int64_t first = 0; first < count; first += kPixelBlock) {
    const auto block = std::min<std::int64_t>(kPixelBlock, count - first);
    for (std::int64_t i = 0; i < block; ++i) {
      const std::int64_t pixel = (first + i) % out_pixels;
      const std::int16_t* const image =
          codes + (first + i) / out_pixels * in_pixels * static_cast<std::int64_t>(x.stride());
      for (std::size_t tap = 0; tap < taps_; ++tap) {
        std::int64_t row = 0;
        std::int64_t column = 0;
        if (!is_rows_) {
          const auto t = static_cast<std::int64_t>(tap);
          row = pixel / geometry.out_width * window_.strides[0] +
                t / kernel_width * window_.dilations[0] - geometry.before_y;
          column = pixel % geometry.out_width * window_.strides[1] +
                   t % kernel_width * window_.dilations[1] - geometry.before_x;
        }
        const bool is_inside =
            row >= 0 && row < geometry.in_height && column >= 0 && column < geometry.in_width;
        places[tap * kPixelBlock + static_cast<std::size_t>(i)] =
            is_inside
                ? image + (row * geometry.in_width + column) * static_cast<std::int64_t>(x.stride())
                : zeros.data();
      }
    }
    take(places, static_cast<std::size_t>(first), static_cast<std::size_t>(block));
  }
}

void IntegerLinear::run_fast(const CodeArray& x, const Geometry& geometry, std::int16_t* codes,
                             std::int32_t* sums, std::size_t stride) const {
  const integer::IntegerKernels& kernels = integer::integer_kernels();
  const IntegerFormat& format = requantization_.format();
  const auto least = static_cast<float>(format.least);
  const auto greatest = static_cast<float>(format.greatest);
  const std::size_t block_in = in_channels_ / blocks_;
  const std::size_t block_out = out_channels_ / blocks_;
  const std::size_t padded_out = whole_tiles(block_out);
  const std::size_t pairs = (block_in + 1) / 2;
  const auto output_at = [&](std::size_t pixel, std::size_t channel, std::size_t packed) {
    integer::TileOutput output = {
        packed_factors_.data() + packed, least, greatest, nullptr, nullptr, stride};
    if (codes != nullptr) output.codes = codes + pixel * stride + channel;
    if (sums != nullptr) output.sums = sums + pixel * stride + channel;
    return output;
  };
  for_each_tile(x, geometry, [&](const auto& places, std::size_t first, std::size_t count) {
    const auto for_each_part = [&](const auto& action) {
      for (std::size_t i = 0; i < count; i += kTilePixels) {
        action(integer::TileInput{places.data() + i, kPixelBlock, taps_,
                                  std::min(kTilePixels, count - i), 0},
               first + i);
      }
    };
    if (is_depthwise_) {
      for_each_part([&](const integer::TileInput& input, std::size_t pixel) {
        kernels.multiply_depthwise(input, packed_.data(), packed_biases_.data(), padded_out,
                                   output_at(pixel, 0, 0));
      });
      return;
    }
    for (std::size_t block = 0; block < blocks_; ++block) {
      for (std::size_t tile = 0; tile < padded_out; tile += kTileChannels) {
        const std::size_t packed = block * padded_out + tile;
        for_each_part([&](integer::TileInput input, std::size_t pixel) {
          input.channel = block * block_in;
          kernels.multiply(input, pairs, packed_.data() + packed * taps_ * pairs,
                           packed_biases_.data() + packed,
                           std::min(kTileChannels, padded_out - tile),
                           output_at(pixel, block * block_out + tile, packed));
        });
      }
    }
  });
}

ReferenceTensor IntegerLinear::plain_sums(const CodeArray& x) const {
  const ReferenceTensor numbers = x.as_numbers();
  const ReferenceTensor* const inputs[] = {&numbers, &plain_weights_};
  ReferenceTensor sums = run_operator(attributes_, inputs);
  const std::size_t inner = inner_of(sums.shape);
  for (std::size_t i = 0; i < sums.values.size(); ++i) {
    sums.values[i] += static_cast<double>(biases_[i / inner % out_channels_]);
  }
  return sums;
}

std::size_t IntegerLinear::inner_of(const Shape& result) const {
  if (is_rows_) return 1;
  return static_cast<std::size_t>(element_count({result.begin() + 2, result.end()}));
}

// Rows of any number of axes as those of a matrix.
CodeArray IntegerLinear::as_matrix(const CodeArray& x) {
  const std::int64_t columns = x.shape().back();
  const auto count = static_cast<std::int64_t>(element_count(x.shape()));
  return x.reshaped({columns == 0 ? 0 : count / columns, columns}).as(CodeLayout::kChannelsLast);
}

CodeArray IntegerLinear::codes(const CodeArray& x) const {
  if (!is_fast()) {
    ReferenceTensor sums = plain_sums(x);
    const std::size_t inner = inner_of(sums.shape);
    for (std::size_t i = 0; i < sums.values.size(); ++i) {
      const auto sum = static_cast<std::int64_t>(sums.values[i]);
      sums.values[i] = static_cast<double>(requantization_(sum, i / inner % out_channels_));
    }
    return CodeArray::of(sums, usual_layout(sums.shape), x.is_wide());
  }
  if (is_rows_ && x.shape().size() != 2) {
    Shape shape = x.shape();
    shape.back() = static_cast<std::int64_t>(out_channels_);
    return codes(as_matrix(x)).reshaped(std::move(shape));
  }
  if (x.layout() != CodeLayout::kChannelsLast) return codes(x.as(CodeLayout::kChannelsLast));
  const Geometry places = geometry(x.shape());
  CodeArray y(places.result, CodeLayout::kChannelsLast, false);
  run_fast(x, places, y.codes<std::int16_t>(), nullptr, y.stride());
  return y;
}

float IntegerLinear::unit(std::size_t channel) const {
  return x_scale_ * scales_[scales_.size() == 1 ? 0 : channel];
}

ReferenceTensor IntegerLinear::numbers(const CodeArray& x) const {
  const auto number = [&](std::int64_t sum, std::size_t channel) {
    return static_cast<double>(static_cast<float>(sum) * unit(channel));
  };
  if (!is_fast()) {
    ReferenceTensor sums = plain_sums(x);
    sums.type = DType::kFloat32;
    const std::size_t inner = inner_of(sums.shape);
    for (std::size_t i = 0; i < sums.values.size(); ++i) {
      sums.values[i] = number(static_cast<std::int64_t>(sums.values[i]), i / inner % out_channels_);
    }
    return sums;
  }
  if (is_rows_ && x.shape().size() != 2) {
    ReferenceTensor y = numbers(as_matrix(x));
    y.shape = x.shape();
    y.shape.back() = static_cast<std::int64_t>(out_channels_);
    return y;
  }
  if (x.layout() != CodeLayout::kChannelsLast) return numbers(x.as(CodeLayout::kChannelsLast));
  const Geometry places = geometry(x.shape());
  const std::size_t stride = whole_tiles(out_channels_);
  ReferenceTensor y = ReferenceTensor::zeros(places.result, DType::kFloat32);
  const std::size_t pixels = y.size() / std::max<std::size_t>(out_channels_, 1);
  std::vector<std::int32_t> sums(pixels * stride);
  run_fast(x, places, nullptr, sums.data(), stride);
  const std::size_t inner = inner_of(places.result);
  for (std::size_t p = 0; p < pixels; ++p) {
    for (std::size_t c = 0; c < out_channels_; ++c) {
      y.values[(p / inner * out_channels_ + c) * inner + p % inner] =
          number(sums[p * stride + c], c);
    }
  }
  return y;
}

}  // namespace narrow
