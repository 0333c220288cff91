#include "nn/instructions/instruction_set.h"

#include <gtest/gtest.h>

#include <oneapi/dnnl/dnnl.hpp>

namespace narrow {
namespace {

TEST(InstructionSet, HoldsWhatOneDnnUses) {
  const auto used = static_cast<std::uint32_t>(dnnl::get_effective_cpu_isa());
  const auto listed = used & static_cast<std::uint32_t>(dnnl::cpu_isa::avx512_core_amx);
  EXPECT_EQ(usable_instruction_sets("") & listed, listed);
}

TEST(InstructionSet, IsLimitedAsOneDnnIs) {
  const auto avx2 = static_cast<std::uint32_t>(dnnl::cpu_isa::avx2);
  EXPECT_EQ(usable_instruction_sets("AVX2") & ~avx2, 0U);
  EXPECT_EQ(usable_instruction_sets("avx2") & ~avx2, 0U);
  EXPECT_EQ(usable_instruction_sets("no such set"), usable_instruction_sets(""));
}

}  // namespace
}  // namespace narrow
