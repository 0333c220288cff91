#include "cli/options/recipe_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/expected_error.h"
#include "narrow/error.h"

namespace narrow {
namespace {

using ::testing::ElementsAre;

TEST(RecipeFlags, ColorsAreThreeNumbers) {
  EXPECT_THAT(parse_color("123.68,0,-1e2", "--mean"), ElementsAre(123.68F, 0, -100));
  for (const char* text : {"", "1", "1,2", "1,2,3,4", "1,2,x", "1,2,3x", "1,,3"}) {
    EXPECT_EQ(error_message(ErrorCategory::kUsage, [&] { parse_color(text, "--std"); }),
              std::string("--std=") + text +
                  " is not three numbers R,G,B on the scale 0..255, 127,127,127 say");
  }
}

}  // namespace
}  // namespace narrow
