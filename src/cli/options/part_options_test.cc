#include "cli/options/part_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "narrow/error.h"

namespace narrow {
namespace {

using Words = std::vector<std::string>;

TEST(PartOptions, WordsOfAllPartsAreTheSame) {
  const Words common = {"sweep", "a b", "--bits", "2..8"};
  for (const Words& words :
       {Words{"sweep", "a b", "--part", "0/2", "--bits", "2..8"},
        Words{"sweep", "--part=1/2", "--force", "a b", "--bits", "2..8"},
        Words{"sweep", "a b", "--threads", "3", "--bits", "2..8", "--part-file", "x"},
        Words{"sweep", "a b", "--threads=3", "--bits", "2..8", "--part-file=x"}}) {
    EXPECT_EQ(words_of_parts(words), common) << testing::PrintToString(words);
  }
}

TEST(PartOptions, RefusesWhatIsNoPart) {
  for (const char* part : {"2/2", "1", "1/", "/2", "a/2", "1/2x", "-1/2", "1/2/3"}) {
    EXPECT_THROW(PartRun({part, ""}, "sweep", false), Error) << part;
  }
  EXPECT_THROW(PartRun({"", "file"}, "sweep", false), Error);
}

TEST(PartOptions, WithoutAPartTheResultIsMadeHere) {
  PartRun run({}, "sweep", false);
  EXPECT_TRUE(exchange().makes_result());
  EXPECT_FALSE(run.is_done());
}

}  // namespace
}  // namespace narrow
