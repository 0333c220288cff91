#include "quant/code_counts.h"

#include <gtest/gtest.h>

namespace narrow {
namespace {

TEST(CodeCounts, EntropyAndUse) {
  CodeCounts counts;
  EXPECT_EQ(counts.used(), 0U);
  EXPECT_EQ(counts.entropy_bits(), 0);
  counts.merge({{4, 4, 0, 8}});
  EXPECT_EQ(counts.used(), 3U);
  EXPECT_EQ(counts.entropy_bits(), 1.5);
  counts.merge({{0, 0, 16}});
  EXPECT_EQ(counts.used(), 4U);
}

}  // namespace
}  // namespace narrow
