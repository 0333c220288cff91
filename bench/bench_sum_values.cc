// Reads every value of a checkpoint and adds the float32 ones up: what it costs to open and read
// it.
//   bench_sum_values CHECKPOINT [THREADS]
// Says "ready" with the sum, then answers every line with the seconds of a pass, opening included.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "narrow/checkpoint.h"

namespace narrow {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

// In as many lanes as a register may have, since additions in order would wait for each other.
double sum_of(std::span<const std::byte> bytes) {
  std::array<float, 32> lanes{};
  const std::size_t count = bytes.size() / sizeof(float);
  std::size_t i = 0;
  for (; i + lanes.size() <= count; i += lanes.size()) {
    std::array<float, 32> values;
    std::memcpy(values.data(), bytes.data() + i * sizeof(float), sizeof(values));
    for (std::size_t lane = 0; lane < lanes.size(); ++lane) lanes[lane] += values[lane];
  }
  double sum = 0;
  for (; i < count; ++i) {
    float value = 0;
    std::memcpy(&value, bytes.data() + i * sizeof(float), sizeof(value));
    sum += static_cast<double>(value);
  }
  for (const float lane : lanes) sum += static_cast<double>(lane);
  return sum;
}

double sum_of_tensor(const CheckpointReader& reader, std::size_t index) {
  const TensorInfo& info = reader.tensors()[index];
  std::vector<std::byte> piece;
  double sum = 0;
  const auto stream = reader.open(index);
  for (std::uint64_t left = info.byte_size(); left > 0; left -= piece.size()) {
    piece.resize(std::min<std::uint64_t>(left, kPieceBytes));
    stream->read(piece);
    if (info.dtype == DType::kFloat32) sum += sum_of(piece);
  }
  return sum;
}

double sum_of_checkpoint(const std::string& path) {
  const auto reader = open_checkpoint(path);
  std::vector<double> sums(reader->tensors().size());
  parallel_for(sums.size(), [&](std::size_t i) {
    if (reader->tensors()[i].dtype != DType::kString) sums[i] = sum_of_tensor(*reader, i);
  });
  double sum = 0;
  for (const double one : sums) sum += one;
  return sum;
}

void answer(const std::string& path, int threads) {
  const ThreadLimit limit(threads);
  std::printf("ready %.9g\n", sum_of_checkpoint(path));
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    const auto start = std::chrono::steady_clock::now();
    sum_of_checkpoint(path);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf("%.6f\n", seconds.count());
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace narrow

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: bench_sum_values CHECKPOINT [THREADS]\n");
    return 2;
  }
  try {
    narrow::answer(arguments[1], count > 2 ? std::stoi(arguments[2]) : 2);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
