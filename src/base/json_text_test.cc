#include "base/json_text.h"

#include <gtest/gtest.h>

#include <string>

namespace narrow {
namespace {

TEST(JsonText, NestingIsThatOfListsAndObjectsOutsideOfTexts) {
  EXPECT_FALSE(nests_deeper("1", 0));
  EXPECT_TRUE(nests_deeper("[]", 0));
  EXPECT_FALSE(nests_deeper(R"([{"a": [1, 2]}, [[]]])", 3));
  EXPECT_TRUE(nests_deeper(R"([{"a": [1, 2]}, [[]]])", 2));
  EXPECT_FALSE(nests_deeper(R"(["[[[[", "\"[[[[\\", {"{{{": 0}])", 2));
  EXPECT_TRUE(nests_deeper(R"(["\\", [[]]])", 2));
  EXPECT_TRUE(nests_deeper(std::string(1'000'000, '['), 4));
  EXPECT_FALSE(nests_deeper("]]]][[[[", 4));
  EXPECT_FALSE(nests_deeper("\"\\", 0));
}

// Of a name that comes twice the last value counts in both.
TEST(JsonText, LargeObjectsAreReadAsAnyOther) {
  const std::string text = R"({"b": 1, "a": "x", "b": 2})";
  EXPECT_EQ(parse_large_object(text), nlohmann::json(parse_json(text)));
  EXPECT_EQ(dump_large_object(parse_large_object(text)), R"({"a":"x","b":2})");
  EXPECT_THROW(parse_large_object("{"), nlohmann::json::parse_error);
  EXPECT_THROW(dump_large_object({{"\xff", 1}}), nlohmann::json::exception);
}

}  // namespace
}  // namespace narrow
