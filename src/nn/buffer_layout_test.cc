#include "nn/buffer_layout.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace narrow {
namespace {

void expect_sound(const std::vector<BufferLifetime>& buffers, const BufferLayout& plan) {
  ASSERT_EQ(plan.byte_offsets.size(), buffers.size());
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    EXPECT_EQ(plan.byte_offsets[i] % kBufferAlignment, 0u);
    EXPECT_LE(plan.byte_offsets[i] + buffers[i].byte_size, plan.byte_size);
    for (std::size_t j = 0; j < i; ++j) {
      const bool meet = buffers[i].first_step <= buffers[j].last_step &&
                        buffers[j].first_step <= buffers[i].last_step;
      const bool overlap = plan.byte_offsets[i] < plan.byte_offsets[j] + buffers[j].byte_size &&
                           plan.byte_offsets[j] < plan.byte_offsets[i] + buffers[i].byte_size;
      EXPECT_FALSE(meet && overlap) << i << " and " << j;
    }
  }
}

TEST(BufferLayout, ChainUsesTwoBuffers) {
  const std::vector<BufferLifetime> chain = {{640, 0, 1}, {640, 1, 2}, {640, 2, 3}, {640, 3, 4}};
  const BufferLayout plan = lay_out_buffers(chain);
  expect_sound(chain, plan);
  EXPECT_EQ(plan.byte_size, 1280u);
}

TEST(BufferLayout, SmallBufferFillsTheGap) {
  const std::vector<BufferLifetime> buffers = {{1000, 0, 0}, {600, 1, 1}, {300, 1, 1}};
  const BufferLayout plan = lay_out_buffers(buffers);
  expect_sound(buffers, plan);
  EXPECT_EQ(plan.byte_size, 1024u);
}

TEST(BufferLayout, Nothing) { EXPECT_EQ(lay_out_buffers({}).byte_size, 0u); }

RC_GTEST_PROP(BufferLayout, NeverOverlaps, ()) {
  const auto count = *rc::gen::inRange(0, 40);
  std::vector<BufferLifetime> buffers;
  for (int i = 0; i < count; ++i) {
    const int first = *rc::gen::inRange(0, 20);
    buffers.push_back(
        {*rc::gen::inRange<std::size_t>(0, 5000), first, first + *rc::gen::inRange(0, 6)});
  }
  expect_sound(buffers, lay_out_buffers(buffers));
}

}  // namespace
}  // namespace narrow
