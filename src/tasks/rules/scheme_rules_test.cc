#include "narrow/scheme_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <utility>

#include "checkpoint/testing/memory_checkpoint.h"
#include "narrow/error.h"
#include "narrow/plan.h"

namespace narrow {
namespace {

using ::testing::HasSubstr;
using ::testing::Pair;

std::string message_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(SchemeRule, IsReadAsItIsWritten) {
  const SchemeRule rule = parse_scheme_rule(" conv 1: a:0*: bits=4  axis=2,3 range=percentile:99 ");
  EXPECT_EQ(rule.pattern, "conv 1: a:0*");
  EXPECT_FALSE(rule.keeps);
  EXPECT_THAT(rule.settings, ::testing::ElementsAre(Pair("bits", "4"), Pair("axis", "2,3"),
                                                    Pair("range", "percentile:99")));
  for (const char* text :
       {"*bias: keep", "*bias: copy", "*bias: bits=keep", "*bias:  bits=copy "}) {
    EXPECT_TRUE(parse_scheme_rule(text).keeps) << text;
    EXPECT_EQ(parse_scheme_rule(text).pattern, "*bias") << text;
  }
  EXPECT_TRUE(parse_scheme_rule("a: granularity=group:64 scheme=bin").settings.size() == 2);
}

TEST(SchemeRule, WhatIsWrongIsSaid) {
  const auto told = [](const char* text) { return message_of([&] { parse_scheme_rule(text); }); };
  EXPECT_THAT(told("*weight:bits=4"), HasSubstr("colon and a blank"));
  EXPECT_THAT(told(": bits=4"), HasSubstr("pattern"));
  EXPECT_THAT(told("a: bit=4"), HasSubstr("'bit' is nothing that a rule can say; it knows bits="));
  EXPECT_THAT(told("a: bits"), HasSubstr("'bits'"));
  EXPECT_THAT(told("a: bits=four"), HasSubstr("whole number"));
  EXPECT_THAT(told("a: bits=4 bits=5"), HasSubstr("twice"));
  EXPECT_THAT(told("a: keep bits=5"), HasSubstr("'keep'"));
  EXPECT_THAT(told("a: scheme=linear"), HasSubstr("linear"));
  EXPECT_THAT(told("a: axis=1,3"), HasSubstr("adjacent"));
  EXPECT_THAT(told("a: range=max"), HasSubstr("max"));
  EXPECT_THAT(told("a: scaling=ternary"), HasSubstr("ternary"));
  EXPECT_THAT(told("a: granularity=row"), HasSubstr("row"));
}

TEST(SchemeRule, SettingsAloneMakeAScheme) {
  const PartialScheme made = parse_settings(
      {{"range", "mse"}, {"granularity", "channel"}, {"axis", "0"}, {"scheme", "affine"}});
  EXPECT_TRUE(made.has_kind);
  EXPECT_FALSE(made.is_complete());
  EXPECT_EQ(made.scheme.kind, SchemeKind::kAffine);
  EXPECT_EQ(made.scheme.granularity.axis, 0);
  EXPECT_EQ(made.scheme.range.kind, Range::Kind::kMse);
  EXPECT_EQ(parse_settings({{"q", "1.6"}}).scheme.bits, 8);
  const auto refused = [](const SchemeSettings& settings, const std::string& part) {
    EXPECT_THAT(message_of([&] { static_cast<void>(parse_settings(settings)); }), HasSubstr(part));
  };
  refused({{"width", "4"}}, "'width' is nothing that a rule can say");
  refused({{"bits", "four"}}, "bits: 'four' is no whole number; expected 1 to 32");
  refused({{"scheme", "bin"}, {"bits", "33"}}, "33");
  refused({{"scheme", "bin"}, {"axis", "1"}}, "axis= is for granularity=channel");
  refused({{"q", "1.6"}, {"bits", "7"}}, "q= gives the width, 8 bits");
}

TEST(SchemeRule, FilesHaveALineEach) {
  const auto rules = parse_scheme_rules("# widths\r\n\n  *w: bits=4\t\r\n*b: keep", "net.rules");
  ASSERT_EQ(rules.size(), 2U);
  EXPECT_EQ(rules[0].text, "*w: bits=4");
  EXPECT_EQ(rules[1].pattern, "*b");
  EXPECT_TRUE(parse_scheme_rules("", "x").empty());
  EXPECT_THAT(message_of([] { parse_scheme_rules("a: keep\n\nb: x=1\n", "net.rules"); }),
              HasSubstr("net.rules, line 3: "));
}

class RulePlan : public ::testing::Test {
 protected:
  RulePlan() {
    for (const char* name : {"conv/w", "conv/b", "fc/w", "fc/b", "bn/moving_mean"}) {
      tensors_.push_back({{name, DType::kFloat32, {2}}, std::vector<std::byte>(8), {}});
    }
  }

  QuantizePlan plan(const std::vector<std::string>& texts, const PartialScheme& base = {},
                    const Selection& selection = {}) const {
    std::vector<SchemeRule> rules;
    for (const std::string& text : texts) rules.push_back(parse_scheme_rule(text));
    return make_rule_plan(MemoryReader(tensors_), rules, base, selection);
  }

  std::vector<int> widths(const QuantizePlan& plan) const {
    std::vector<int> bits;
    for (const TensorPlan& tensor : plan) bits.push_back(tensor.scheme ? tensor.scheme->bits : 0);
    return bits;
  }

  std::vector<MemoryTensor> tensors_;
};

PartialScheme base(std::optional<SchemeKind> kind, std::optional<int> bits) {
  PartialScheme made;
  made.has_kind = kind.has_value();
  made.has_bits = bits.has_value();
  if (kind) made.scheme.kind = *kind;
  if (bits) made.scheme.bits = *bits;
  return made;
}

TEST_F(RulePlan, TheFirstThatMatchesCounts) {
  const PartialScheme bin = base(SchemeKind::kBin, std::nullopt);
  EXPECT_EQ(widths(plan({"conv/*: bits=3", "*w: bits=4", "*: bits=9"}, bin)),
            (std::vector{3, 3, 4, 9, 0}));
}

TEST_F(RulePlan, TheBaseIsForTheRest) {
  EXPECT_EQ(widths(plan({"*b: keep"}, base(SchemeKind::kBin, 8))), (std::vector{8, 0, 8, 0, 0}));
  EXPECT_EQ(widths(plan({"conv/w: bits=4 scheme=symmetric"})), (std::vector{4, 0, 0, 0, 0}));
  PartialScheme mse = base(SchemeKind::kAffine, 8);
  mse.scheme.range.kind = Range::Kind::kMse;
  const QuantizePlan made = plan({"fc/w: scheme=codebook bits=3", "fc/b: bits=5"}, mse);
  EXPECT_EQ(made[2].scheme->range, Range{});
  EXPECT_EQ(made[3].scheme->range, mse.scheme.range);
  EXPECT_EQ(made[0].scheme, mse.scheme);
}

TEST_F(RulePlan, TrainingStateHasToBeSpelledOut) {
  const PartialScheme bin = base(SchemeKind::kBin, 8);
  EXPECT_THROW(plan({"bn/*mean: bits=4"}, bin), Error);
  EXPECT_EQ(widths(plan({"*: bits=5"}, bin)).back(), 0);
  EXPECT_EQ(widths(plan({"*/moving_mean: bits=4"}, bin)), (std::vector{8, 8, 8, 8, 4}));
  EXPECT_THROW(plan({"*/moving_mean: bits=4"}, bin, {{}, {"bn*"}}), Error);
  EXPECT_THROW(plan({"*/moving_mean: bits=4"}, bin, {{"*w"}, {}}), Error);
}

TEST_F(RulePlan, RulesThatCannotBeAreErrors) {
  const auto told = [&](const char* text, const PartialScheme& given,
                        const Selection& selection = {}) {
    return message_of([&] { plan({text}, given, selection); });
  };
  const PartialScheme bin = base(SchemeKind::kBin, 8);
  EXPECT_THAT(told("none: bits=4", bin), HasSubstr("rule 'none: bits=4' matches none"));
  EXPECT_THAT(told("*b: bits=4", bin, {{"*w"}, {}}), HasSubstr("matches none"));
  EXPECT_THAT(told("*: bits=4", {}), HasSubstr("default scheme"));
  EXPECT_THAT(told("*: scheme=bin", {}), HasSubstr("default width"));
  EXPECT_THAT(told("*: bits=40", bin), HasSubstr("rule '*: bits=40'"));
  EXPECT_THAT(told("*: axis=0", bin), HasSubstr("granularity=channel"));
}

TEST_F(RulePlan, IsKeptInAFile) {
  const MemoryReader reader(tensors_);
  const QuantizePlan made = plan(
      {"conv/w: bits=4 granularity=channel axis=0 range=mse", "fc/w: bits=6 granularity=group:2"},
      base(SchemeKind::kFixedPoint, std::nullopt));
  const QuantizePlan read =
      make_plan(parse_plan_file(plan_file_text(reader, made), "plan.json"), reader);
  ASSERT_EQ(read.size(), made.size());
  for (std::size_t i = 0; i < made.size(); ++i) EXPECT_EQ(read[i].scheme, made[i].scheme);
}

TEST_F(RulePlan, FormatsAreNamedOrGivenInParts) {
  const auto schemes = plan(
      {"conv/w: q=1.6 overflow=wrap", "fc/w: ap-fixed=16,2",
       "conv/b: bits=5 fraction-bits=-3 signed=always round-mode=floor", "fc/b: bits=4 scheme=bin"},
      {});
  const auto scheme_of = [&](const char* name) {
    for (const TensorPlan& tensor : schemes) {
      if (tensors_[tensor.index].info.name == name) return tensor.scheme.value();
    }
    return Scheme();
  };
  EXPECT_EQ(scheme_of("conv/w").kind, SchemeKind::kFixedPoint);
  EXPECT_EQ(scheme_of("conv/w").bits, 8);
  EXPECT_EQ(scheme_of("conv/w").format,
            (FixedFormat{6, true, RoundMode::kHalfEven, Overflow::kWrap}));
  EXPECT_EQ(scheme_of("fc/w").bits, 16);
  EXPECT_EQ(scheme_of("fc/w").format.fraction_bits, 14);
  EXPECT_EQ(scheme_of("conv/b").format,
            (FixedFormat{-3, true, RoundMode::kFloor, Overflow::kSaturate}));
  EXPECT_FALSE(has_format(scheme_of("fc/b")));
}

TEST_F(RulePlan, FormatsOfTheBaseGoWithFixedPointOnly) {
  PartialScheme base;
  base.has_kind = base.has_bits = true;
  base.scheme.kind = SchemeKind::kFixedPoint;
  base.scheme.format = {6, true, RoundMode::kFloor, Overflow::kWrap};
  const auto schemes = plan({"conv/w: scheme=symmetric", "fc/w: q=0.3"}, base);
  EXPECT_FALSE(has_format(schemes[0].scheme.value()));
  EXPECT_EQ(schemes[1].scheme->format, base.scheme.format);
  EXPECT_EQ(schemes[2].scheme->format, (FixedFormat{3, true, RoundMode::kFloor, Overflow::kWrap}));
  EXPECT_EQ(schemes[2].scheme->bits, 4);
}

TEST_F(RulePlan, FormatsNeedNeitherTheRangeNorTheScalingOfTheBase) {
  PartialScheme given = base(SchemeKind::kFixedPoint, 8);
  given.scheme.range.kind = Range::Kind::kMse;
  given.scheme.scaling = Scaling::kDecimal;
  const QuantizePlan made = plan({"conv/w: q=1.6", "fc/w: bits=6 fraction-bits=3"}, given);
  for (const std::size_t i : {0, 2}) {
    EXPECT_EQ(made[i].scheme->range, Range{});
    EXPECT_EQ(made[i].scheme->scaling, Scaling::kBinary);
  }
  EXPECT_EQ(made[1].scheme, given.scheme);
}

TEST_F(RulePlan, FormatsThatContradictThemselvesAreRefused) {
  const auto told = [&](const char* text) { return message_of([&] { plan({text}); }); };
  EXPECT_THAT(told("conv/w: q=1.6 bits=4"), HasSubstr("gives the width, 8 bits"));
  EXPECT_THAT(told("conv/w: q=1.6 ap-fixed=8,2"), HasSubstr("two names"));
  EXPECT_THAT(told("conv/w: q=1.6 fraction-bits=6"), HasSubstr("gives the fraction bits"));
  EXPECT_THAT(told("conv/w: q=1.6 scheme=bin"), HasSubstr("format of fixed-point"));
  EXPECT_THAT(told("conv/w: q=1.6 signed=auto"), HasSubstr("has a sign"));
  EXPECT_THAT(told("conv/w: scheme=bin bits=8 overflow=wrap"), HasSubstr("the scheme is bin"));
  EXPECT_THAT(told("conv/w: q=16"), HasSubstr("expected m.n"));
  EXPECT_THAT(told("conv/w: fraction-bits=6"), HasSubstr("no width"));
}

}  // namespace
}  // namespace narrow
