#include "quant/tensor_grid.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/random.h"
#include "base/testing/expected_error.h"
#include "quant/tensor_quantizer.h"

namespace narrow {
namespace {

const TensorInfo kInfo = {"weights", DType::kFloat32, {300, 4}};

std::vector<float> random_values() {
  RandomStream random(1, "grid");
  std::vector<float> values(element_count(kInfo.shape));
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

Scheme scheme_with(const std::string& range) {
  Scheme scheme;
  scheme.bits = 3;
  scheme.granularity = parse_granularity("channel");
  scheme.range = parse_range(range);
  return scheme;
}

TEST(TensorGrid, ClipsTheValuesThatTheQuantizerClips) {
  const std::vector<float> values = random_values();
  for (const char* range : {"minmax", "mse", "aciq", "percentile:90"}) {
    const TensorGrid grid(values, scheme_with(range), kInfo, -1);
    TensorQuantizer quantizer(scheme_with(range), kInfo, -1);
    quantizer.scan(std::as_bytes(std::span(values)));
    quantizer.finish_scan();
    EXPECT_EQ(grid.clipped_values(), quantizer.clipped_values()) << range;
  }
  EXPECT_GT(TensorGrid(values, scheme_with("percentile:90"), kInfo, -1).clipped_values(), 0U);
}

TEST(TensorGrid, ValuesThatAreNotFiniteAreRefused) {
  for (const char* range : {"minmax", "mse", "aciq", "percentile:90"}) {
    for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
      std::vector<float> values = random_values();
      values[7] = bad;
      EXPECT_EQ(category_of([&] { TensorGrid(values, scheme_with(range), kInfo, -1); }),
                ErrorCategory::kNumeric)
          << range;
    }
  }
}

}  // namespace
}  // namespace narrow
