#include "checkpoint/tensorflow/v1/v1_values.h"

#include <gtest/gtest.h>

#include "checkpoint/testing/tensorflow_files.h"

namespace narrow {
namespace {

std::string decode(const std::string& tensor, DType dtype, std::uint64_t count,
                   std::size_t piece = 1000) {
  V1ValueDecoder decoder(tensor, dtype, count, "here");
  std::string bytes(count * element_size(dtype), '\0');
  auto rest = std::as_writable_bytes(std::span(bytes));
  while (!rest.empty()) {
    const std::size_t size = std::min(piece, rest.size());
    decoder.read(rest.first(size));
    rest = rest.subspan(size);
  }
  return bytes;
}

// The values of `hex`, read whole and byte by byte, as hexadecimal.
void expect_values(const std::string& hex, DType dtype, std::uint64_t count,
                   const std::string& expected) {
  EXPECT_EQ(decode(from_hex(hex), dtype, count), from_hex(expected)) << hex;
  EXPECT_EQ(decode(from_hex(hex), dtype, count, 1), from_hex(expected)) << hex;
}

void expect_corrupt(const std::string& hex, DType dtype, std::uint64_t count) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}}) {
    try {
      decode(from_hex(hex), dtype, count, piece);
      ADD_FAILURE() << hex;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::kCorrupt) << error.what();
    }
  }
}

TEST(V1Values, OfEveryTypeAreInTheirField) {
  expect_values("2a 08 0000803f 00000040", DType::kFloat32, 2, "0000803f 00000040");
  expect_values("32 08 000000000000f03f", DType::kFloat64, 1, "000000000000f03f");
  expect_values("3a 03 01 ac02", DType::kInt32, 2, "01000000 2c010000");
  expect_values("3a 0b ffffffffffffffffff01 02", DType::kInt32, 2, "ffffffff 02000000");
  expect_values("3a 0b 80ffffffffffffffff01 7f", DType::kInt8, 2, "80 7f");
  expect_values("3a 03 02 ff01", DType::kUInt8, 2, "02 ff");
  expect_values("3a 03 ffff03", DType::kUInt16, 1, "ffff");
  expect_values("3a 01 05", DType::kQInt16, 1, "0500");
  expect_values("3a 01 05", DType::kQUInt16, 1, "0500");
  expect_values("3a 01 05", DType::kQInt32, 1, "05000000");
  expect_values("3a 02 0506", DType::kQInt8, 2, "05 06");
  expect_values("3a 02 0506", DType::kQUInt8, 2, "05 06");
  expect_values("4a 08 0000803f 00000040", DType::kComplex64, 1, "0000803f 00000040");
  expect_values("52 0a ffffffffffffffffff01", DType::kInt64, 1, "ffffffffffffffff");
  expect_values("5a 02 01 00", DType::kBool, 2, "01 00");
  expect_values("62 10 000000000000f03f 0000000000000040", DType::kComplex128, 1,
                "000000000000f03f 0000000000000040");
  expect_values("6a 02 8078", DType::kFloat16, 1, "003c");
  expect_values("6a 02 807f", DType::kBFloat16, 1, "803f");
  expect_values("8201 05 ffffffff0f", DType::kUInt32, 1, "ffffffff");
  expect_values("8a01 0a ffffffffffffffffff01", DType::kUInt64, 1, "ffffffffffffffff");
}

TEST(V1Values, MayBeUnpackedMixedOrTensorContent) {
  expect_values("2d 0000803f 2d 00000040", DType::kFloat32, 2, "0000803f 00000040");
  expect_values("2d 0000803f 2a 04 00000040", DType::kFloat32, 2, "0000803f 00000040");
  expect_values("38 01 3a 02 02 03 38 04", DType::kInt16, 4, "0100 0200 0300 0400");
  expect_values("31 000000000000f03f", DType::kFloat64, 1, "000000000000f03f");
  expect_values("22 08 0000803f 00000040", DType::kFloat32, 2, "0000803f 00000040");
  expect_values("22 03 010203", DType::kInt8, 3, "010203");
  expect_values("2a 00 2a 04 0000803f 2a 00", DType::kFloat32, 1, "0000803f");
  // Type and shape beside them do not matter.
  expect_values("08 01 12 00 2a 04 0000803f 1801", DType::kFloat32, 1, "0000803f");
  expect_values("", DType::kFloat32, 0, "");
}

TEST(V1Values, MustBeAsManyAsTheShapeHas) {
  expect_corrupt("", DType::kFloat32, 1);
  expect_corrupt("2a 04 0000803f", DType::kFloat32, 2);
  expect_corrupt("2a 08 0000803f 00000040", DType::kFloat32, 1);
  expect_corrupt("2a 04 0000803f 2d 00000040", DType::kFloat32, 1);
  expect_corrupt("3a 02 01 02", DType::kInt8, 1);
  expect_corrupt("3a 01 01 22 01 01", DType::kInt8, 1);
  expect_corrupt("22 03 010203", DType::kFloat32, 1);
}

TEST(V1Values, MustBeOfTheirType) {
  expect_corrupt("3a 02 8001", DType::kInt8, 1);
  expect_corrupt("3a 02 8002", DType::kUInt8, 1);
  expect_corrupt("3a 0a ffffffffffffffffff01", DType::kUInt16, 1);
  expect_corrupt("3a 05 ffffffff0f", DType::kInt32, 1);
  expect_corrupt("5a 01 02", DType::kBool, 1);
  expect_corrupt("6a 03 808004", DType::kFloat16, 1);
  expect_corrupt("2a 03 000080", DType::kFloat32, 1);
  expect_corrupt("28 01", DType::kFloat32, 1);
  expect_corrupt("3d 00000000", DType::kInt32, 1);
  expect_corrupt("20 01", DType::kInt8, 1);
}

TEST(V1Values, MustBeWellFormed) {
  expect_corrupt("2a 05 0000803f", DType::kFloat32, 1);
  expect_corrupt("3a 01 80", DType::kInt32, 1);
  expect_corrupt("3a 0b ffffffffffffffffffff01", DType::kInt64, 1);
  expect_corrupt("2b", DType::kFloat32, 1);
  expect_corrupt("02 00", DType::kFloat32, 1);
  expect_corrupt("2d 0000", DType::kFloat32, 1);
  expect_corrupt("31 0000", DType::kFloat64, 1);
  expect_corrupt("80", DType::kFloat64, 1);
  expect_corrupt("ffffffffffffffffff01", DType::kFloat64, 1);
}

TEST(V1Values, AreNotReadBeyondTheEndNorOfTypesTheFormatLacks) {
  const std::string tensor = from_hex("2a 04 0000803f");
  V1ValueDecoder decoder(tensor, DType::kFloat32, 1, "here");
  std::byte out[5];
  EXPECT_THROW(decoder.read(out), Error);
  EXPECT_THROW(V1ValueDecoder(tensor, DType::kFloat8E4M3, 1, "here"), Error);
}

TEST(V1Strings, AreRepeatedBytes) {
  EXPECT_EQ(decode_v1_strings(from_hex("42 00 42 02 6162"), 2, "here"),
            (std::vector<std::string>{"", "ab"}));
  EXPECT_THROW(decode_v1_strings(from_hex("42 00"), 2, "here"), Error);
  EXPECT_THROW(decode_v1_strings(from_hex("40 00"), 1, "here"), Error);
}

TEST(V1Entry, MustBeOfTheTensorAndSliceAskedFor) {
  const std::string entry = from_hex("12 11 0a03612f77 1204 0a000a00 1a04 2a020000");
  const TensorSlice whole(2);
  EXPECT_EQ(find_v1_tensor(entry, "a/w", whole, "here"), from_hex("2a020000"));
  EXPECT_THROW(find_v1_tensor(entry, "a/v", whole, "here"), Error);
  EXPECT_THROW(find_v1_tensor(entry, "a/w", {Extent{0, 2}, Extent{}}, "here"), Error);
  EXPECT_THROW(find_v1_tensor(entry + entry, "a/w", whole, "here"), Error);
  EXPECT_THROW(find_v1_tensor(from_hex("0a00") + entry, "a/w", whole, "here"), Error);
  EXPECT_THROW(find_v1_tensor("", "a/w", whole, "here"), Error);
}

}  // namespace
}  // namespace narrow
