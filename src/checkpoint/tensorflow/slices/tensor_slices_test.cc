#include "checkpoint/tensorflow/slices/tensor_slices.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>

#include "base/bytes.h"
#include "checkpoint/tensorflow/slices/gather_stream.h"
#include "narrow/error.h"

namespace narrow {
namespace {

bool tiles(const Shape& shape, const std::vector<TensorSlice>& slices) {
  try {
    check_tiling(shape, slices, "here");
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kCorrupt) << error.what();
    return false;
  }
}

TEST(CheckTiling, AcceptsWholeTensorsAndPartitions) {
  EXPECT_TRUE(tiles({}, {{}}));
  EXPECT_TRUE(tiles({4, 2}, {{Extent{}, Extent{}}}));
  EXPECT_TRUE(tiles({0, 4}, {{Extent{}, Extent{}}}));
  EXPECT_TRUE(tiles({4, 2}, {{Extent{0, 4}, Extent{}}}));
  EXPECT_TRUE(tiles({5}, {{Extent{3, 2}}, {Extent{0, 3}}}));
  EXPECT_TRUE(tiles({5}, {{Extent{0, 5}}, {Extent{2, 0}}}));
  // A pinwheel, which no sequence of straight cuts makes.
  EXPECT_TRUE(tiles({3, 3}, {{Extent{0, 1}, Extent{0, 2}},
                             {Extent{0, 2}, Extent{2, 1}},
                             {Extent{2, 1}, Extent{1, 2}},
                             {Extent{1, 2}, Extent{0, 1}},
                             {Extent{1, 1}, Extent{1, 1}}}));
}

TEST(CheckTiling, RefusesGapsOverlapsAndSlicesOutside) {
  EXPECT_FALSE(tiles({5}, {}));
  EXPECT_FALSE(tiles({}, {{}, {}}));
  EXPECT_FALSE(tiles({5}, {{Extent{0, 3}}}));
  EXPECT_FALSE(tiles({5}, {{Extent{0, 3}}, {Extent{2, 3}}}));
  EXPECT_FALSE(tiles({5}, {{Extent{0, 3}}, {Extent{3, 2}}, {Extent{1, 1}}}));
  EXPECT_FALSE(tiles({5}, {{Extent{0, 6}}}));
  EXPECT_FALSE(tiles({5}, {{Extent{-1, 5}}}));
  EXPECT_FALSE(tiles({5}, {{Extent{0, -1}}}));
  EXPECT_FALSE(tiles({5}, {{Extent{1, {}}}}));
  EXPECT_FALSE(tiles({5}, {{Extent{INT64_MAX, INT64_MAX}}}));
  EXPECT_FALSE(tiles({5}, {{Extent{}, Extent{}}}));
  // As many elements as the tensor, but not the same ones.
  EXPECT_FALSE(tiles({4}, {{Extent{0, 2}}, {Extent{0, 2}}}));
}

TEST(CheckTiling, RefusesMoreThanFourCutDimensions) {
  std::vector<TensorSlice> slices(2, TensorSlice(5, Extent{0, 1}));
  try {
    check_tiling({2, 2, 2, 2, 2}, slices, "here");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kUnsupported);
  }
}

// Boxes made by cutting the largest at a random place.
std::vector<TensorSlice> random_partition(const Shape& shape) {
  TensorSlice whole;
  for (const std::int64_t dim : shape) whole.push_back(Extent{0, dim});
  std::vector<TensorSlice> slices = {whole};
  const int cuts = *rc::gen::inRange(0, 8);
  for (int i = 0; i < cuts; ++i) {
    const auto which = *rc::gen::inRange<std::size_t>(0, slices.size());
    const auto dim = *rc::gen::inRange<std::size_t>(0, shape.size());
    Extent& extent = slices[which][dim];
    if (*extent.length < 2) continue;
    const auto first = *rc::gen::inRange<std::int64_t>(1, *extent.length);
    TensorSlice second = slices[which];
    second[dim] = Extent{extent.start + first, *extent.length - first};
    extent.length = first;
    slices.push_back(second);
  }
  return slices;
}

class MemoryStream final : public TensorStream {
 public:
  explicit MemoryStream(std::vector<std::int32_t> values) : values_(std::move(values)) {}
  void read(std::span<std::byte> out) override {
    const auto bytes = std::as_bytes(std::span(values_)).subspan(position_, out.size());
    std::memcpy(out.data(), bytes.data(), bytes.size());
    position_ += out.size();
  }

 private:
  std::vector<std::int32_t> values_;
  std::size_t position_ = 0;
};

// The elements of `slice` in a tensor whose elements are 0, 1, 2, ...
std::vector<std::int32_t> elements_of(const Shape& shape, const TensorSlice& slice) {
  std::vector<std::int32_t> elements = {0};
  for (std::size_t dim = 0; dim < shape.size(); ++dim) {
    std::vector<std::int32_t> next;
    for (const std::int32_t base : elements) {
      for (std::int64_t i = 0; i < slice[dim].length.value_or(shape[dim]); ++i) {
        next.push_back(static_cast<std::int32_t>(base * shape[dim] + slice[dim].start + i));
      }
    }
    elements = next;
  }
  return elements;
}

RC_GTEST_PROP(GatherStream, PutsEveryElementInItsPlace, ()) {
  const auto shape = *rc::gen::container<Shape>(*rc::gen::inRange(1, 5), rc::gen::inRange(1, 7));
  const auto slices = random_partition(shape);
  check_tiling(shape, slices, "here");
  GatherStream stream(shape, slices, sizeof(std::int32_t), [&](std::size_t i) {
    return std::make_unique<MemoryStream>(elements_of(shape, slices[i]));
  });
  std::vector<std::int32_t> whole(element_count(shape));
  auto rest = std::as_writable_bytes(std::span(whole));
  while (!rest.empty()) {
    const auto count = *rc::gen::inRange<std::size_t>(1, rest.size() + 1);
    stream.read(rest.first(count));
    rest = rest.subspan(count);
  }
  for (std::size_t i = 0; i < whole.size(); ++i) RC_ASSERT(whole[i] == static_cast<int>(i));
}

RC_GTEST_PROP(CheckTiling, RefusesAPartitionWithOneSliceChanged, ()) {
  const Shape shape = {4, 5, 3};
  auto slices = random_partition(shape);
  const auto which = *rc::gen::inRange<std::size_t>(0, slices.size());
  if (*rc::gen::arbitrary<bool>()) {
    slices.push_back(slices[which]);
  } else {
    slices.erase(slices.begin() + static_cast<std::ptrdiff_t>(which));
  }
  RC_ASSERT(!tiles(shape, slices));
}

TEST(GatherStrings, PutsEveryElementInItsPlace) {
  const std::vector<TensorSlice> slices = {{Extent{}, Extent{1, 1}}, {Extent{}, Extent{0, 1}}};
  EXPECT_EQ(gather_strings({2, 2}, slices, {{"b", "d"}, {"a", "c"}}),
            (std::vector<std::string>{"a", "b", "c", "d"}));
}

}  // namespace
}  // namespace narrow
