#include "nn/integer/packed_linear.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "narrow/error.h"

namespace narrow {
namespace {

using integer::kPanelChannels;
using integer::kTileChannels;
using integer::kTilePixels;
using integer::TileInput;
using integer::TileOutput;

// Pixels for which all weights are read once.
constexpr std::size_t kPixelBlock = 8 * kTilePixels;

std::size_t whole_tiles(std::size_t channels) {
  return (channels + kTileChannels - 1) / kTileChannels * kTileChannels;
}

// Calls action(first, count) for parts of [0, count) of at most `most`, all about as large.
template <typename Action>
void for_each_part(std::size_t count, std::size_t most, const Action& action) {
  const std::size_t parts = (count + most - 1) / most;
  for (std::size_t i = 0; i < parts; ++i) {
    const std::size_t first = i * count / parts;
    action(first, (i + 1) * count / parts - first);
  }
}

// Modulo 2^32, as the kernels add up.
std::int32_t wrapped(std::int64_t value) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(static_cast<std::uint64_t>(value)));
}

// The `lane`-th of the numbers that share 32 bits, `count` of them.
std::int32_t in_lane(std::int64_t weight, std::size_t lane, std::size_t count) {
  const std::uint32_t bits = 32 / static_cast<std::uint32_t>(count);
  const auto mask = static_cast<std::uint32_t>((std::uint64_t{1} << bits) - 1);
  const auto own = static_cast<std::uint32_t>(static_cast<std::uint64_t>(weight)) & mask;
  return static_cast<std::int32_t>(own << (bits * static_cast<std::uint32_t>(lane)));
}

}  // namespace

std::size_t LinearSizes::taps() const {
  std::size_t count = 1;
  for (const std::int64_t size : window.kernel) count *= static_cast<std::size_t>(size);
  return count;
}

// Null where none fits.
integer::IntegerKernels::MultiplyRow PackedLinear::row_kernel() const {
  const Window& window = sizes_.window;
  const auto are = [](const std::vector<std::int64_t>& sizes, std::int64_t size) {
    return std::ranges::all_of(sizes, [&](std::int64_t one) { return one == size; });
  };
  if (window.rank() != 2 || !are(window.dilations, 1) || window.strides[1] > 2) return nullptr;
  if (are(window.kernel, 3)) return kernels_->multiply_row_3;
  if (are(window.kernel, 5)) return kernels_->multiply_row_5;
  return nullptr;
}

PackedLinear::Kernel PackedLinear::choose_kernel(std::span<const std::int64_t> weights) const {
  const bool is_depthwise = sizes_.groups > 1 &&
                            static_cast<std::size_t>(sizes_.groups) == sizes_.in_channels &&
                            sizes_.in_channels == sizes_.out_channels;
  const bool are_bytes =
      x_storage_.width == CodeWidth::kByte && std::ranges::all_of(weights, [](std::int64_t weight) {
        return weight >= std::numeric_limits<std::int8_t>::min() &&
               weight <= std::numeric_limits<std::int8_t>::max();
      });
  if (is_depthwise) {
    return are_bytes && row_kernel() != nullptr ? Kernel::kDepthwiseRow : Kernel::kDepthwise;
  }
  return are_bytes && kernels_->multiply_bytes != nullptr ? Kernel::kBytes : Kernel::kShorts;
}

std::int64_t PackedLinear::groups_together() const {
  const auto groups = static_cast<std::size_t>(sizes_.groups);
  const std::size_t in = sizes_.in_channels / groups;
  const std::size_t out = sizes_.out_channels / groups;
  for (std::size_t count = 1; count < groups; ++count) {
    if (groups % count == 0 && count * out % kTileChannels == 0 && count * in % together() == 0) {
      return static_cast<std::int64_t>(count);
    }
  }
  return sizes_.groups;
}

PackedLinear::PackedLinear(LinearSizes sizes, std::span<const std::int64_t> weights,
                           std::span<const std::int64_t> biases,
                           const Requantization* requantization, CodeStorage x)
    : sizes_(std::move(sizes)), x_storage_(x), kernels_(&integer::integer_kernels()) {
  if (requantization != nullptr) format_ = requantization->format();
  kernel_ = choose_kernel(weights);
  if (kernel_ == Kernel::kDepthwise || kernel_ == Kernel::kDepthwiseRow) {
    block_in_ = sizes_.in_channels;
    block_out_ = whole_tiles(sizes_.out_channels);
    kernel_ == Kernel::kDepthwise ? pack_depthwise(weights) : pack_depthwise_rows(weights);
  } else {
    blocks_ = static_cast<std::size_t>(sizes_.groups / groups_together());
    block_in_ = sizes_.in_channels / blocks_;
    block_out_ = whole_tiles(sizes_.out_channels / blocks_);
    pack(weights);
  }
  biases_.assign(blocks_ * block_out_, 0);
  factors_.assign(blocks_ * block_out_, 0);
  // Kernels that read bytes as they are stored count their offset as often as there are weights.
  const std::int64_t offset = kernel_ == Kernel::kShorts ? 0 : x_storage_.offset;
  const std::size_t columns = weights.size() / std::max<std::size_t>(sizes_.out_channels, 1);
  for (std::size_t c = 0; c < sizes_.out_channels; ++c) {
    std::int64_t of_offset = 0;
    for (const std::int64_t weight : weights.subspan(c * columns, columns)) {
      of_offset += weight * offset;
    }
    biases_[packed_place(c)] = wrapped(biases[c] - of_offset);
    if (requantization != nullptr) factors_[packed_place(c)] = requantization->factor(c);
  }
}

std::size_t PackedLinear::packed_place(std::size_t channel) const {
  const std::size_t of_block = sizes_.out_channels / blocks_;
  return channel / of_block * block_out_ + channel % of_block;
}

// [block][panel][tap][group of input channels][channel of the panel]
void PackedLinear::pack(std::span<const std::int64_t> weights) {
  const std::size_t groups = static_cast<std::size_t>(sizes_.groups);
  const std::size_t in = sizes_.in_channels / groups;
  const std::size_t out = sizes_.out_channels / groups;
  const std::size_t taps = sizes_.taps();
  const std::size_t inner = (block_in_ + together() - 1) / together();
  weights_.assign(blocks_ * block_out_ * taps * inner, 0);
  for (std::size_t c = 0; c < sizes_.out_channels; ++c) {
    const std::size_t place = packed_place(c);
    const std::size_t row = place % block_out_;
    const std::size_t panel = row / kPanelChannels * kPanelChannels;
    const std::size_t width = std::min(kPanelChannels, block_out_ - panel);
    const std::size_t first_in = row / out * in;  // of its group within the block
    std::int32_t* const to = weights_.data() + (place - row + panel) * taps * inner;
    for (std::size_t tap = 0; tap < taps; ++tap) {
      for (std::size_t i = 0; i < in; ++i) {
        const std::size_t at = first_in + i;
        to[(tap * inner + at / together()) * width + (row - panel)] |=
            in_lane(weights[(c * in + i) * taps + tap], at % together(), together());
      }
    }
  }
}

void PackedLinear::pack_depthwise(std::span<const std::int64_t> weights) {
  const std::size_t taps = sizes_.taps();
  weights_.assign(block_out_ * taps, 0);
  for (std::size_t c = 0; c < sizes_.out_channels; ++c) {
    for (std::size_t tap = 0; tap < taps; ++tap) {
      weights_[tap * block_out_ + c] = in_lane(weights[c * taps + tap], 0, 2);
    }
  }
}

// [column][rows that are together][channel]
void PackedLinear::pack_depthwise_rows(std::span<const std::int64_t> weights) {
  const auto size = static_cast<std::size_t>(sizes_.window.kernel[0]);
  const std::size_t rows = kernels_->rows_together;
  const std::size_t parts = (size + rows - 1) / rows;
  weights_.assign(size * parts * block_out_, 0);
  for (std::size_t c = 0; c < sizes_.out_channels; ++c) {
    for (std::size_t row = 0; row < size; ++row) {
      for (std::size_t column = 0; column < size; ++column) {
        weights_[(column * parts + row / rows) * block_out_ + c] |=
            in_lane(weights[(c * size + row) * size + column], row % rows, rows);
      }
    }
  }
}

ImagePlaces PackedLinear::places(const Shape& x) const {
  if (x[1] != static_cast<std::int64_t>(sizes_.in_channels)) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("an input of {} channels, expected {}", x[1], sizes_.in_channels));
  }
  if (!sizes_.is_rows()) return image_places(sizes_.window, x[2], x[3]);
  ImagePlaces rows;
  rows.width = x[0];
  rows.out_width = x[0];
  return rows;
}

Shape PackedLinear::result_shape(const Shape& x, const ImagePlaces& places) const {
  const auto out = static_cast<std::int64_t>(sizes_.out_channels);
  if (sizes_.is_rows()) return {x[0], out};
  return {x[0], out, places.out_height, places.out_width};
}

// For pixels that lie anywhere, all output channels of a block.
template <typename Code>
void PackedLinear::run_pixels(const TileInput<Code>& input, std::size_t block,
                              const TileOutput& output) const {
  const std::size_t first = block * block_out_;  // of what is packed
  if (kernel_ == Kernel::kDepthwise) {
    for_each_part(input.pixels, kTilePixels, [&](std::size_t pixel, std::size_t count) {
      const TileInput<Code> part = {input.x + pixel, input.taps, input.tap_count, count};
      kernels_->of(Code()).multiply_depthwise(part, weights_.data(), biases_.data(), block_out_,
                                              output.at(pixel, 0));
    });
    return;
  }
  const std::size_t inner = (block_in_ + together() - 1) / together();
  for (std::size_t panel = 0; panel < block_out_; panel += kPanelChannels) {
    const std::size_t packed = first + panel;
    const std::size_t channels = std::min(kPanelChannels, block_out_ - panel);
    const std::int32_t* const weights = weights_.data() + packed * input.tap_count * inner;
    for_each_part(input.pixels, kTilePixels, [&](std::size_t pixel, std::size_t count) {
      const TileInput<Code> part = {input.x + pixel, input.taps, input.tap_count, count};
      const TileOutput to = output.at(pixel, panel);
      if constexpr (sizeof(Code) == 1) {
        kernels_->multiply_bytes(part, inner, weights, biases_.data() + packed, channels, to);
      } else {
        kernels_->multiply(part, inner, weights, biases_.data() + packed, channels, to);
      }
    });
  }
}

template <typename Code>
void PackedLinear::run_image(const WindowImage<Code>& image, TileOutput output) const {
  const std::vector<std::ptrdiff_t> taps = image.taps(sizes_.window);
  std::vector<std::ptrdiff_t> of_block = taps;
  const Code* pixels[kPixelBlock];
  for_each_part(image.places().out_pixels(), kPixelBlock,
                [&](std::size_t first, std::size_t count) {
                  for (std::size_t i = 0; i < count; ++i) pixels[i] = image.at(first + i);
                  for (std::size_t block = 0; block < blocks_; ++block) {
                    const auto channel = static_cast<std::ptrdiff_t>(block * block_in_);
                    std::ranges::transform(taps, of_block.begin(),
                                           [&](std::ptrdiff_t tap) { return tap + channel; });
                    TileOutput to = output.at(first, block * (sizes_.out_channels / blocks_));
                    to.factors = factors_.data() + block * block_out_;
                    run_pixels<Code>({pixels, of_block.data(), taps.size(), count}, block, to);
                  }
                });
}

void PackedLinear::run_rows(const WindowImage<std::uint8_t>& image, TileOutput output) const {
  const ImagePlaces& places = image.places();
  const auto out_width = static_cast<std::size_t>(places.out_width);
  output.factors = factors_.data();
  const auto multiply = row_kernel();
  integer::RowInput input;
  input.row = image.row();
  input.column = image.column();
  input.step = static_cast<std::size_t>(places.step_x);
  for (std::size_t y = 0; y < static_cast<std::size_t>(places.out_height); ++y) {
    for_each_part(out_width, integer::kRowWindows, [&](std::size_t first, std::size_t count) {
      const std::size_t pixel = y * out_width + first;
      input.x = image.at(pixel);
      input.windows = count;
      multiply(input, weights_.data(), biases_.data(), block_out_, output.at(pixel, 0));
    });
  }
}

void PackedLinear::run(const CodeArray& x, const ImagePlaces& places, TileOutput output) const {
  const std::size_t examples = sizes_.is_rows() ? 1 : static_cast<std::size_t>(x.shape()[0]);
  x.with_code([&]<typename Stored>(Stored) {
    for (std::size_t n = 0; n < examples; ++n) {
      const Stored* const image = x.codes<Stored>() + n * places.pixels() * x.stride();
      const TileOutput to = output.at(n * places.out_pixels(), 0);
      if (kernel_ == Kernel::kDepthwiseRow) {
        run_rows(WindowImage<std::uint8_t>(image, x.storage(), x.stride(), places), to);
      } else if (kernel_ != Kernel::kShorts && x.width() == CodeWidth::kByte) {
        run_image(WindowImage<std::uint8_t>(image, x.storage(), x.stride(), places), to);
      } else {
        run_image(WindowImage<std::int16_t>(image, x.storage(), x.stride(), places), to);
      }
    }
  });
}

CodeArray PackedLinear::codes(const CodeArray& x) const {
  const ImagePlaces windows = places(x.shape());
  const CodeStorage storage = storage_of(format_, x.width());
  CodeArray y(result_shape(x.shape(), windows), CodeLayout::kChannelsLast, storage);
  TileOutput output;
  output.bounds = bounds_of(format_, storage);
  output.stride = y.stride();
  if (x.width() == CodeWidth::kByte) {
    output.bytes = y.codes<std::uint8_t>();
  } else {
    output.shorts = y.codes<std::int16_t>();
  }
  run(x, windows, output);
  return y;
}

CodeArray PackedLinear::sums(const CodeArray& x) const {
  const ImagePlaces windows = places(x.shape());
  CodeArray y(result_shape(x.shape(), windows), CodeLayout::kChannelsLast, {CodeWidth::kLong, 0});
  TileOutput output;
  output.stride = y.stride();
  output.sums = y.codes<std::int32_t>();
  run(x, windows, output);
  return y;
}

}  // namespace narrow
