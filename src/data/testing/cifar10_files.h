// CIFAR-10 batches for tests, as the publisher's programs would have written them.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "data/convert/cifar10_batch.h"
#include "data/testing/small_archive.h"

namespace narrow {

// Label and pixels of image `row` of batch `batch`: all distinct within a test.
inline std::uint8_t test_label(int batch, std::size_t row) {
  return static_cast<std::uint8_t>((static_cast<std::size_t>(batch) * 3 + row) % 10);
}
inline std::string test_planes(int batch, std::size_t row) {
  std::string planes(kCifarPixelBytes, '\0');
  for (std::size_t i = 0; i < planes.size(); ++i) {
    planes[i] = static_cast<char>(static_cast<std::size_t>(batch) * 50 + row * 7 + i / 5);
  }
  return planes;
}

template <typename T>
std::string little_endian(T value) {
  std::string bytes(sizeof(T), '\0');
  store_le(bytes.data(), value);
  return bytes;
}

enum class PickleStyle { kPython2, kPython3 };

// A byte string as Python 2 pickles it, or as Python 3 does with protocol 2.
inline std::string pickled_bytes(const std::string& bytes, PickleStyle style) {
  if (style == PickleStyle::kPython2) {
    const bool is_short = bytes.size() < 256;
    std::string text(1, is_short ? 'U' : 'T');
    text += is_short ? std::string(1, static_cast<char>(bytes.size()))
                     : little_endian(static_cast<std::uint32_t>(bytes.size()));
    return text + bytes;
  }
  std::string utf8;
  for (const char c : bytes) {
    const auto value = static_cast<unsigned char>(c);
    if (value < 0x80) {
      utf8 += c;
    } else {
      utf8 += static_cast<char>(0xc0 | value >> 6);
      utf8 += static_cast<char>(0x80 | (value & 0x3f));
    }
  }
  return "c_codecs\nencode\nX" + little_endian(static_cast<std::uint32_t>(utf8.size())) + utf8 +
         "X" + little_endian(std::uint32_t{6}) + "latin1\x86R";
}

// The array's constructor, its type, and BUILD with its state.
inline std::string pickled_array(const std::string& bytes, std::size_t rows, PickleStyle style) {
  using std::string_literals::operator""s;
  return "cnumpy.core.multiarray\n_reconstruct\nq\x07"
         "cnumpy\nndarray\nK\x00\x85"s +
         pickled_bytes("b", style) + "\x87Rq\x09(K\x01M"s +
         little_endian(static_cast<std::uint16_t>(rows)) + "M\x00\x0c\x86"s + "cnumpy\ndtype\n"s +
         pickled_bytes("u1", style) + "K\x00K\x01\x87Rq\x0b(K\x03"s + pickled_bytes("|", style) +
         "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"s + pickled_bytes(bytes, style) + "tb"s;
}

inline std::string pickled_batch(int batch, std::size_t rows,
                                 PickleStyle style = PickleStyle::kPython2) {
  using std::string_literals::operator""s;
  std::string pixels;
  std::string labels = "]q\x05("s;
  std::string names = "]("s;
  for (std::size_t row = 0; row < rows; ++row) {
    pixels += test_planes(batch, row);
    labels += "K"s + static_cast<char>(test_label(batch, row));
    names += pickled_bytes(fmt::format("image_{}.png", row), style);
  }
  return "\x80\x02}q\x01("s + pickled_bytes("batch_label", style) +
         pickled_bytes("training batch 1 of 5", style) + pickled_bytes("labels", style) + labels +
         "e"s + pickled_bytes("data", style) + pickled_array(pixels, rows, style) +
         pickled_bytes("filenames", style) + names + "eu."s;
}

inline std::string binary_batch(int batch, std::size_t rows) {
  std::string bytes;
  for (std::size_t row = 0; row < rows; ++row) {
    bytes += static_cast<char>(test_label(batch, row));
    bytes += test_planes(batch, row);
  }
  return bytes;
}

// The six members of either archive; the test batch is number 5 and comes second.
inline std::vector<TestMember> cifar10_members(bool python, std::size_t rows) {
  const std::string folder = python ? "cifar-10-batches-py/" : "cifar-10-batches-bin/";
  const std::string suffix = python ? "" : ".bin";
  const auto content = [&](int batch) {
    return python ? pickled_batch(batch, rows) : binary_batch(batch, rows);
  };
  std::vector<TestMember> members = {{folder + "readme.html", "<html>", "", ""},
                                     {folder + "test_batch" + suffix, content(5), "", ""}};
  for (const int batch : {3, 0, 4, 2, 1}) {
    const std::string name = fmt::format("{}data_batch_{}{}", folder, batch + 1, suffix);
    members.push_back({name, content(batch), "", ""});
  }
  return members;
}

}  // namespace narrow
