// Quantizes a matrix to 6 bits, a range for each of its columns, and prints what that costs.
#include <cmath>
#include <cstdio>
#include <vector>

#include "narrow/quantize_tensor.h"

int main() {
  const narrow::Shape shape = {250, 4};
  std::vector<float> values(1000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
  narrow::Scheme scheme;
  scheme.kind = narrow::SchemeKind::kSymmetric;
  scheme.bits = 6;
  scheme.granularity.kind = narrow::Granularity::Kind::kChannel;  // of the last axis
  const narrow::QuantizedTensor quantized = narrow::quantize(values, shape, scheme);
  const std::vector<float> restored = narrow::dequantize(quantized);
  std::printf("code of the first value %lld, scale of the first column %.5f\n",
              static_cast<long long>(quantized.codes[0]), quantized.params[0].scale);
  std::printf("restored %.4f for %.4f, relative error %.4f\n", restored[1], values[1],
              quantized.errors.relative_l2());
}
