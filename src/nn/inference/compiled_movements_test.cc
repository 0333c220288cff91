// Steps along axes and those that move elements, against the reference operators.
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "nn/testing/random_network.h"

namespace narrow {
namespace {

TEST(CompiledMovements, Normalizations) {
  RandomNetwork network;
  const ValueId x = network.input({2, 16, 5, 6});
  const ValueId y = network.add(op::MaxPool{square_window(3, 1, 1)}, {x});
  const ValueId rows = network.input({2, 5, 12});
  network.expect_equal(
      {network.norm(x, 16), network.norm(y, 16), network.add(op::Softmax{1}, {y}),
       network.add(op::Softmax{-1}, {rows}), network.add(op::Softmax{-1, true}, {rows}),
       network.add(op::LayerNormalization{-1}, {rows, network.weight({12}), network.weight({12})}),
       network.add(op::LayerNormalization{1}, {rows, network.weight({5, 12})})});
}

TEST(CompiledMovements, MovedElements) {
  RandomNetwork network;
  const ValueId x = network.input({2, 8, 4, 6});
  const ValueId pooled = network.add(op::MaxPool{square_window(3, 1, 1)}, {x});
  const ValueId joined = network.add(op::Concat{1}, {pooled, x, pooled});
  std::vector<ValueId> outputs = {
      joined,
      network.add(op::Concat{-1}, {pooled, x}),
      network.add(op::Transpose{{0, 2, 3, 1}}, {pooled}),
      network.add(op::Transpose{}, {x}),
      network.add(op::Slice{}, {x, network.integers({1, -1}), network.integers({7, -7}),
                                network.integers({1, 3}), network.integers({2, -2})}),
      network.add(op::Expand{}, {x, network.integers({3, 1, 1, 1, 1})}),
      network.add(op::Tile{}, {x, network.integers({1, 2, 1, 3})}),
      network.add(op::Pad{}, {x, network.integers({0, 0, 1, 2, 0, 1, 0, 3}), network.scalar(0.5)}),
      network.add(op::Gather{1}, {x, network.integers({3, -1, 0})}),
      network.add(op::DepthToSpace{2}, {x}),
      network.add(op::DepthToSpace{2, true}, {x}),
      network.add(op::SpaceToDepth{2}, {x}),
      network.add(op::Reshape{}, {pooled, network.integers({0, -1})}),
      network.add(op::Flatten{1}, {joined}),
      network.add(op::Unsqueeze{}, {x, network.integers({0})}),
      network.add(op::Reduce{}, {pooled, network.integers({2, 3})}),
      network.add(op::Reduce{op::ReduceKind::kMax, false}, {x, network.integers({1})}),
      network.add(op::Reduce{op::ReduceKind::kSum, false}, {x})};
  for (const ValueId part : network.add(op::Split{1, 2}, {x, network.integers({3, 5})}, 2)) {
    outputs.push_back(part);
  }
  network.expect_equal(std::move(outputs));
}

TEST(CompiledMovements, PaddingFromInside) {
  for (const op::PadMode mode : {op::PadMode::kEdge, op::PadMode::kReflect, op::PadMode::kWrap}) {
    RandomNetwork network;
    const ValueId x = network.input({2, 3, 5, 6});
    const ValueId line = network.input({4});
    network.expect_equal(
        {network.add(op::Pad{mode}, {x, network.integers({0, 1, 2, 0, 1, 2, 0, 3})}),
         network.add(op::Pad{mode},
                     {x, network.integers({3, 4, 1, 0}), kNoValue, network.integers({-1, 2})}),
         network.add(op::Pad{mode}, {line, network.integers({3, 2})})});
  }
}

op::Resize resize_of(op::ResizeMode mode, op::ResizePlaces places, op::ResizeNearest nearest = {}) {
  op::Resize resize;
  resize.mode = mode;
  resize.places = places;
  resize.nearest = nearest;
  return resize;
}

TEST(CompiledMovements, ImagesOfAnotherSize) {
  using enum op::ResizePlaces;
  const std::vector<op::Resize> all = {
      resize_of(op::ResizeMode::kNearest, kAsymmetric, op::ResizeNearest::kFloor),
      resize_of(op::ResizeMode::kNearest, kHalfPixel),
      resize_of(op::ResizeMode::kLinear, kHalfPixel),
      resize_of(op::ResizeMode::kLinear, kAlignCorners),
      resize_of(op::ResizeMode::kCubic, kPytorchHalfPixel)};
  for (const op::Resize& resize : all) {
    for (const bool from_pool : {false, true}) {
      RandomNetwork network;
      ValueId x = network.input({2, 5, 6, 7});
      if (from_pool) x = network.add(op::MaxPool{square_window(3, 1, 1)}, {x});
      const ValueId scales = network.reals({1, 1, 2, 1.5});
      const ValueId sizes = network.integers({2, 5, 4, 9});
      network.expect_equal({network.add(resize, {x, kNoValue, scales}),
                            network.add(resize, {x, kNoValue, kNoValue, sizes})});
    }
  }
}

}  // namespace
}  // namespace narrow
