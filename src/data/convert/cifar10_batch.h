// One batch of CIFAR-10 as its two archives hold it
// (https://www.cs.toronto.edu/~kriz/cifar.html, "Dataset layout").
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "data/images/image.h"

namespace narrow {

constexpr int kCifarSide = 32;
constexpr std::size_t kCifarPlaneBytes = std::size_t{kCifarSide} * kCifarSide;
constexpr std::size_t kCifarPixelBytes = kCifarPlaneBytes * kImageChannels;
constexpr int kCifarClasses = 10;

struct CifarBatch {
  std::vector<std::uint8_t> labels;  // 0..9
  // For each image 1024 red, 1024 green and 1024 blue bytes, every plane row by row.
  std::vector<std::uint8_t> planes;
  [[nodiscard]] std::size_t size() const { return labels.size(); }
};

// Both throw Error(kCorrupt) naming `place`, byte offset or row, found and expected: another number
// of rows than `rows`, a label above 9, and whatever is not as the publisher wrote it.

// data_batch_N of the Python archive: a dictionary pickled with protocol 2. Only the opcodes that
// describe plain data are followed; the functions it may name are NumPy's array and type
// constructors and codecs.encode, none of which is ever called. Nothing is executed.
CifarBatch parse_cifar10_pickle(std::span<const std::byte> bytes, std::size_t rows,
                                std::string_view place);

// data_batch_N.bin of the binary archive: per image a label byte and 3072 pixels.
CifarBatch parse_cifar10_binary(std::span<const std::byte> bytes, std::size_t rows,
                                std::string_view place);

// Image `row`, pixels interleaved.
Image cifar10_image(const CifarBatch& batch, std::size_t row);

}  // namespace narrow
