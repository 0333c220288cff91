#include "cli/program/suggestion.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace narrow {
namespace {

TEST(Suggestion, EditDistanceCountsInsertionsDeletionsAndSubstitutions) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("bits", "bits"), 0U);
  EXPECT_EQ(edit_distance("", "bits"), 4U);
  EXPECT_EQ(edit_distance("bits", "bit"), 1U);
  EXPECT_EQ(edit_distance("btis", "bits"), 2U);  // a swap is two substitutions
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

RC_GTEST_PROP(Suggestion, EditDistanceIsAMetric,
              (const std::string& a, const std::string& b, const std::string& c)) {
  RC_ASSERT(edit_distance(a, b) == edit_distance(b, a));
  RC_ASSERT((edit_distance(a, b) == 0) == (a == b));
  RC_ASSERT(edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c));
  RC_ASSERT(edit_distance(a, b) <= std::max(a.size(), b.size()));
}

TEST(Suggestion, NearestWordIsTheOneWithTheFewestEdits) {
  const std::vector<std::string> known = {"--bits", "--budget", "--scheme", "--schemes"};
  EXPECT_EQ(nearest_word("--bit", known), "--bits");
  EXPECT_EQ(nearest_word("--bugdet", known), "--budget");
  EXPECT_EQ(nearest_word("--schema", known), "--scheme");
  EXPECT_EQ(nearest_word("--schemess", known), "--schemes");
}

TEST(Suggestion, WordsThatAreFarFromAllGiveNone) {
  EXPECT_EQ(nearest_word("--overflow", {"--bits", "--scheme"}), "");
  EXPECT_EQ(nearest_word("xy", {"ab"}), "");
  EXPECT_EQ(nearest_word("ay", {"ab"}), "ab");  // one edit is always near
  EXPECT_EQ(nearest_word("--bits", {}), "");
}

TEST(Suggestion, TheFirstOfSeveralNearestWordsIsTaken) {
  EXPECT_EQ(nearest_word("pact", {"pack", "fact"}), "pack");
  EXPECT_EQ(nearest_word("pact", {"fact", "pack"}), "fact");
}

}  // namespace
}  // namespace narrow
