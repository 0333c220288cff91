// Quantizes an array to 8 bits, affine, one range: what narrow.quantize of Python is compared with.
//   bench_array FILE    float32 values as they lie in memory
// Prints the sum of all codes, then answers every line with the seconds of a call.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "narrow/quantize_tensor.h"
#include "read_values.h"

namespace narrow {
namespace {

void run(const std::string& path) {
  const std::vector<float> values = read_values<float>(path);
  const Shape shape{static_cast<std::int64_t>(values.size())};
  Scheme scheme;
  scheme.kind = SchemeKind::kAffine;
  scheme.bits = 8;
  std::vector<std::byte> codes(static_cast<std::size_t>(packed_code_bytes(shape, scheme)));
  quantize_packed(values, shape, scheme, codes);
  std::int64_t sum = 0;
  for (const std::byte code : codes) sum += std::to_integer<std::int64_t>(code);
  std::cout << sum << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::byte> own(codes.size());
    quantize_packed(values, shape, scheme, own);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::cout << seconds.count() << std::endl;
  }
}

}  // namespace
}  // namespace narrow

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: bench_array FILE\n");
    return 2;
  }
  try {
    narrow::run(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
