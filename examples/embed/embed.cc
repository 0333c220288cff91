// Quantizes an array to 6 bits and prints what that costs.
#include <cmath>
#include <cstdio>
#include <vector>

#include "narrow/quantize_values.h"

int main() {
  std::vector<float> values(1000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
  narrow::Scheme scheme;
  scheme.kind = narrow::SchemeKind::kBin;
  scheme.bits = 6;
  const narrow::BlockParams params = narrow::fit(values, scheme);
  std::vector<std::int64_t> codes(values.size());
  narrow::encode(values, scheme, params, codes);
  std::vector<float> restored(values.size());
  const narrow::ErrorSums errors = narrow::round_trip(values, scheme, params, restored);
  std::printf("code of the first value %lld, relative error %.4f\n",
              static_cast<long long>(codes[0]), errors.relative_l2());
}
