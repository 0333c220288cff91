#include "graph/operators/window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "narrow/error.h"

namespace narrow {

namespace {

testing::Matcher<WindowPlaces> are(std::int64_t count, std::int64_t before, std::int64_t after) {
  return testing::AllOf(testing::Field("count", &WindowPlaces::count, count),
                        testing::Field("before", &WindowPlaces::before, before),
                        testing::Field("after", &WindowPlaces::after, after));
}

Window along_one_axis(std::int64_t kernel, std::int64_t stride, std::int64_t dilation,
                      std::int64_t before, std::int64_t after) {
  return {{kernel}, {stride}, {dilation}, {before, after}, AutoPad::kNotSet};
}

Window along_one_axis(std::int64_t kernel, std::int64_t stride, std::int64_t dilation,
                      AutoPad auto_pad) {
  return {{kernel}, {stride}, {dilation}, {0, 0}, auto_pad};
}

TEST(Window, SquareOnesHaveTwoEqualAxes) {
  const Window window = square_window(7, 2, 3);
  EXPECT_EQ(window.rank(), 2u);
  EXPECT_EQ(window.kernel, (std::vector<std::int64_t>{7, 7}));
  EXPECT_EQ(window.strides, (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(window.dilations, (std::vector<std::int64_t>{1, 1}));
  EXPECT_EQ(window.pads, (std::vector<std::int64_t>{3, 3, 3, 3}));
  EXPECT_EQ(window.auto_pad, AutoPad::kNotSet);
  EXPECT_EQ(square_window(1, 2), square_window(1, 2, 0));

  Window same = square_window(3, 2);
  same.auto_pad = AutoPad::kSameUpper;
  EXPECT_EQ(same_window(3, 2), same);
  EXPECT_NE(same_window(3, 2), square_window(3, 2));
}

TEST(Window, ItsExtentIncludesTheDilation) {
  const Window window = {{1, 3, 4}, {1, 1, 1}, {5, 2, 3}, {0, 0, 0, 0, 0, 0}, AutoPad::kNotSet};
  EXPECT_EQ(window.extent(0), 1);
  EXPECT_EQ(window.extent(1), 5);
  EXPECT_EQ(window.extent(2), 10);
}

TEST(WindowPlaces, PaddingIsGivenForEachSide) {
  EXPECT_THAT(window_places(square_window(3, 1, 1), 0, 5), are(5, 1, 1));
  EXPECT_THAT(window_places(square_window(7, 2, 3), 1, 224), are(112, 3, 2));
  EXPECT_THAT(window_places(square_window(7, 2, 3), 1, 33), are(17, 3, 3));
  const Window window = {{3, 2}, {2, 3}, {1, 1}, {1, 0, 2, 3}, AutoPad::kNotSet};
  EXPECT_THAT(window_places(window, 0, 6), are(4, 1, 2));
  EXPECT_THAT(window_places(window, 1, 7), are(3, 0, 1));
}

TEST(WindowPlaces, TheLastWindowMayEndBeforeTheLastElement) {
  EXPECT_THAT(window_places(square_window(1, 2), 0, 5), are(3, 0, 0));
  EXPECT_THAT(window_places(square_window(1, 2), 0, 4), are(2, 0, -1));
  EXPECT_THAT(window_places(square_window(1, 3), 0, 6), are(2, 0, -2));
  EXPECT_THAT(window_places(same_window(1, 2), 0, 4), are(2, 0, -1));
}

TEST(WindowPlaces, SamePaddingHasItsLargerHalfOnOneSide) {
  const auto upper = [](std::int64_t kernel, std::int64_t stride, std::int64_t size) {
    return window_places(along_one_axis(kernel, stride, 1, AutoPad::kSameUpper), 0, size);
  };
  const auto lower = [](std::int64_t kernel, std::int64_t stride, std::int64_t size) {
    return window_places(along_one_axis(kernel, stride, 1, AutoPad::kSameLower), 0, size);
  };
  EXPECT_THAT(upper(3, 2, 4), are(2, 0, 1));
  EXPECT_THAT(lower(3, 2, 4), are(2, 1, 0));
  EXPECT_THAT(upper(3, 2, 5), are(3, 1, 1));
  EXPECT_THAT(lower(3, 2, 5), are(3, 1, 1));
  EXPECT_THAT(upper(3, 2, 1), are(1, 1, 1));
  EXPECT_THAT(upper(4, 1, 6), are(6, 1, 2));
  EXPECT_THAT(lower(4, 1, 6), are(6, 2, 1));
}

TEST(WindowPlaces, SamePaddingIgnoresThatWhichIsGiven) {
  Window window = same_window(3, 2);
  window.pads = {5, 5, 5, 5};
  EXPECT_THAT(window_places(window, 0, 4), are(2, 0, 1));
}

TEST(WindowPlaces, ValidWindowsHaveNoPadding) {
  Window window = square_window(3, 1, 1);
  window.auto_pad = AutoPad::kValid;
  EXPECT_THAT(window_places(window, 0, 5), are(3, 0, 0));
  EXPECT_THAT(window_places(along_one_axis(2, 2, 1, AutoPad::kValid), 0, 5), are(2, 0, -1));
}

TEST(WindowPlaces, DilationSpreadsTheWindow) {
  EXPECT_THAT(window_places(along_one_axis(3, 1, 2, 0, 0), 0, 7), are(3, 0, 0));
  EXPECT_THAT(window_places(along_one_axis(3, 1, 2, 2, 2), 0, 7), are(7, 2, 2));
  EXPECT_THAT(window_places(along_one_axis(3, 1, 2, AutoPad::kSameUpper), 0, 7), are(7, 2, 2));
  EXPECT_THAT(window_places(along_one_axis(2, 2, 4, AutoPad::kValid), 0, 8), are(2, 0, -1));
}

TEST(WindowPlaces, RoundedUpTheLastWindowMayReachBehindThePadding) {
  const Window window = along_one_axis(2, 2, 1, 0, 0);
  EXPECT_THAT(window_places(window, 0, 5, false), are(2, 0, -1));
  EXPECT_THAT(window_places(window, 0, 5, true), are(3, 0, 1));
  EXPECT_THAT(window_places(window, 0, 4, true), are(2, 0, 0));
  EXPECT_THAT(window_places(along_one_axis(3, 2, 1, 1, 1), 0, 6, true), are(4, 1, 2));
  // A third window would begin in the padding at the end.
  EXPECT_THAT(window_places(along_one_axis(2, 2, 1, 0, 1), 0, 4, true), are(2, 0, 0));
}

TEST(WindowPlaces, RoundedUpASingleWindowMayReachBehindThePadding) {
  EXPECT_THAT(window_places(along_one_axis(3, 2, 1, 0, 0), 0, 2, true), are(1, 0, 1));
  EXPECT_THROW(window_places(along_one_axis(3, 2, 1, 0, 0), 0, 2, false), Error);
  EXPECT_THROW(window_places(along_one_axis(4, 2, 1, 0, 0), 0, 2, true), Error);
}

TEST(WindowPlaces, WindowsThatDoNotFitAreRefused) {
  const auto refusal = [](const std::string& text) {
    return testing::Throws<Error>(
        testing::AllOf(testing::Property("category", &Error::category, ErrorCategory::kUnsupported),
                       testing::Property("what", &Error::what, testing::HasSubstr(text))));
  };
  EXPECT_THAT([] { window_places(square_window(3, 1), 0, 2); },
              refusal("a window of 3 elements does not fit into 2"));
  EXPECT_THAT([] { window_places(along_one_axis(2, 1, 4, 0, 0), 0, 4); },
              refusal("a window of 5 elements does not fit into 4"));
  EXPECT_THAT([] { window_places(square_window(3, 1, 1), 0, 0); },
              refusal("a window of 3 elements does not fit into 0"));
  EXPECT_THAT([] { window_places(same_window(3, 1), 0, 0); },
              refusal("a window of 3 elements does not fit into 0"));
  EXPECT_THAT(window_places(square_window(3, 1, 1), 0, 1), are(1, 1, 1));
}

// By kernel, stride, dilation.
class EveryWindow : public testing::TestWithParam<std::tuple<int, int, int>> {
 protected:
  [[nodiscard]] std::int64_t kernel() const { return std::get<0>(GetParam()); }
  [[nodiscard]] std::int64_t stride() const { return std::get<1>(GetParam()); }
  [[nodiscard]] std::int64_t dilation() const { return std::get<2>(GetParam()); }
  [[nodiscard]] std::int64_t extent() const { return (kernel() - 1) * dilation() + 1; }
};

TEST_P(EveryWindow, PlacesAreThoseCountedOneByOne) {
  for (std::int64_t pad = 0; pad < extent(); ++pad) {
    const std::int64_t padded_after = pad / 2;
    const Window window = along_one_axis(kernel(), stride(), dilation(), pad, padded_after);
    for (std::int64_t size = 1; size <= 12; ++size) {
      const std::int64_t end = size + padded_after;
      std::int64_t down = 0;
      for (std::int64_t begin = -pad; begin + extent() <= end; begin += stride()) ++down;
      if (down > 0) {
        EXPECT_EQ(window_places(window, 0, size).count, down) << size << " pad " << pad;
      } else {
        EXPECT_THROW(window_places(window, 0, size), Error) << size << " pad " << pad;
      }
      // Elements after the last window make one more, if it can begin before the end padding.
      const std::int64_t next = -pad + down * stride();
      const bool leaves_some = next + extent() < end + stride();
      const std::int64_t up = down + (leaves_some && next < size ? 1 : 0);
      if (up > 0) {
        EXPECT_EQ(window_places(window, 0, size, true).count, up) << size << " pad " << pad;
      } else {
        EXPECT_THROW(window_places(window, 0, size, true), Error) << size << " pad " << pad;
      }
    }
  }
}

TEST_P(EveryWindow, SamePaddingGivesAsManyAsThereAreStrides) {
  for (std::int64_t size = 1; size <= 12; ++size) {
    for (const AutoPad auto_pad : {AutoPad::kSameUpper, AutoPad::kSameLower}) {
      const Window window = along_one_axis(kernel(), stride(), dilation(), auto_pad);
      const WindowPlaces places = window_places(window, 0, size);
      std::int64_t count = 0;
      for (std::int64_t begin = 0; begin < size; begin += stride()) ++count;
      EXPECT_EQ(places.count, count) << size;
      EXPECT_EQ(places.before + size + places.after, (count - 1) * stride() + extent()) << size;
      const std::int64_t more_after = places.after - places.before;
      if (places.before + places.after <= 0) {
        EXPECT_EQ(places.before, 0) << size;
      } else if (auto_pad == AutoPad::kSameUpper) {
        EXPECT_TRUE(more_after == 0 || more_after == 1) << size;
      } else {
        EXPECT_TRUE(more_after == 0 || more_after == -1) << size;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(KernelsStridesDilations, EveryWindow,
                         testing::Combine(testing::Values(1, 2, 3, 4, 5),
                                          testing::Values(1, 2, 3, 4), testing::Values(1, 2, 3)));

}  // namespace
}  // namespace narrow
