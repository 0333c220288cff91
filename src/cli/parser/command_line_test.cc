#include "cli/parser/command_line.h"

#include <gtest/gtest.h>

namespace narrow {
namespace {

TEST(CommandLine, WordsAreQuotedForAShellWhereTheyNeedIt) {
  EXPECT_EQ(shell_quote("model.ckpt-0"), "model.ckpt-0");
  EXPECT_EQ(shell_quote("--bits=2..8"), "--bits=2..8");
  EXPECT_EQ(shell_quote(""), "''");
  EXPECT_EQ(shell_quote("*/kernel"), "'*/kernel'");
  EXPECT_EQ(shell_quote("two words"), "'two words'");
  EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quote("$HOME"), "'$HOME'");
}

}  // namespace
}  // namespace narrow
