#include "quant/kernels/kernel_table.h"

#include <string>
#include <string_view>
#include <vector>

#include "narrow/error.h"
#include "quant/simd_targets.h"

// The baseline too, so that every processor and every test has a portable copy.
#define HWY_COMPILE_ALL_ATTAINABLE
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/kernels/kernel_table.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "quant/kernels/loops-inl.h"
#include "quant/kernels/scan-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narrow {
namespace HWY_NAMESPACE {

const KernelTable* Table() {
  static constexpr KernelTable kTable = {
      Scan,
      ScanRows,
      AddErrors,
      {{{RoundTripBlock<FittedBin, BinRule>, Restore<BinRule, BlockSource>},
        {RoundTripBlock<FittedPowerOfTwo, PowerOfTwoRule>, Restore<PowerOfTwoRule, BlockSource>},
        {RoundTrip<DecimalRule, BlockSource>, Restore<DecimalRule, BlockSource>},
        {RoundTrip<DividedRule, BlockSource>, Restore<DividedRule, BlockSource>}}},
      {{{RoundTrip<BinRule, RowSource>, Restore<BinRule, RowSource>},
        {RoundTrip<PowerOfTwoRule, RowSource>, Restore<PowerOfTwoRule, RowSource>},
        {RoundTrip<DecimalRule, RowSource>, Restore<DecimalRule, RowSource>},
        {RoundTrip<DividedRule, RowSource>, Restore<DividedRule, RowSource>}}},
      {Encode<BinRule>, Encode<PowerOfTwoRule>, Encode<DecimalRule>, Encode<DividedRule>},
      {Decode<BinRule>, Decode<PowerOfTwoRule>, Decode<DecimalRule>, Decode<DividedRule>}};
  return &kTable;
}

}  // namespace HWY_NAMESPACE
}  // namespace narrow
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narrow {
namespace {

HWY_EXPORT(Table);

std::vector<std::string> target_names(std::int64_t targets) {
  std::vector<std::string> names;
  for (; targets != 0; targets &= targets - 1) {
    names.emplace_back(hwy::TargetName(targets & -targets));
  }
  return names;
}

}  // namespace

const KernelTable& kernels() { return *HWY_DYNAMIC_DISPATCH(Table)(); }

std::vector<std::string> compiled_simd_targets() { return target_names(HWY_TARGETS); }

std::vector<std::string> runnable_simd_targets() {
  return target_names(HWY_TARGETS & hwy::SupportedTargets());
}

std::string chosen_simd_target() { return runnable_simd_targets().front(); }

ForcedSimdTarget::ForcedSimdTarget(std::string_view name) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    if (name == hwy::TargetName(target)) {
      hwy::SetSupportedTargetsForTest(target);
      hwy::GetChosenTarget().Update(hwy::SupportedTargets());
      return;
    }
  }
  throw Error(ErrorCategory::kUsage, "this processor has no SIMD target " + std::string(name));
}

ForcedSimdTarget::~ForcedSimdTarget() {
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace narrow
#endif  // HWY_ONCE
