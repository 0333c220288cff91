#include "report/table/numbers.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "report/table/text_table.h"

namespace narrow {
namespace {

const double kInfinity = std::numeric_limits<double>::infinity();

TEST(Numbers, BytesHaveAUnitAndAnExactValue) {
  EXPECT_EQ(format_bytes(0), "0 bytes");
  EXPECT_EQ(format_bytes(9999), "9999 bytes");
  EXPECT_EQ(format_bytes(94326576), "94.33 MB (94326576 bytes)");
  EXPECT_EQ(format_bytes(8000000000), "8 GB (8000000000 bytes)");
}

TEST(Numbers, RatiosAreQuotientAndPercent) {
  EXPECT_EQ(format_ratio(0.0034121), "0.003412 (0.3412 %)");
  EXPECT_EQ(format_ratio(0), "0 (0 %)");
  EXPECT_EQ(format_ratio(kInfinity), "inf (inf %)");
}

TEST(Numbers, SizesAreLargerOrSmaller) {
  EXPECT_EQ(format_size_ratio(100, 400), "4.00 times smaller than");
  EXPECT_EQ(format_size_ratio(700, 400), "1.75 times larger than");
  EXPECT_EQ(format_size_ratio(400, 400), "as large as");
  EXPECT_EQ(format_size_ratio(10001, 10000), "as large as");
  EXPECT_EQ(format_size_ratio(0, 400), "as large as") << "no quotient says it";
}

TEST(Numbers, NoErrorIsExact) {
  EXPECT_EQ(format_decibel(kInfinity), "exact");
  EXPECT_EQ(format_decibel(40.128), "40.13 dB");
}

TEST(Numbers, JsonHasNoInfinity) {
  EXPECT_EQ(json_number(kInfinity).dump(), "null");
  EXPECT_EQ(json_number(0.1).dump(), "0.1");
}

TEST(TextTable, AlignsColumns) {
  TextTable table({{"name", TextTable::Align::kLeft}, {"n"}});
  table.add_row({"a", "100"});
  table.add_row({"longer", "7"});
  EXPECT_EQ(table.text(),
            "name      n\n"
            "a       100\n"
            "longer    7\n");
}

}  // namespace
}  // namespace narrow
