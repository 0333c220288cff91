#include "quant/kernels/kernel_table.h"

#include <string>
#include <string_view>
#include <vector>

#include "base/instruction_limit.h"
#include "narrow/error.h"
#include "quant/kernels/simd_targets.h"

// The baseline too, so that every processor and every test has a portable copy.
#define HWY_COMPILE_ALL_ATTAINABLE
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/kernels/kernel_table.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "quant/kernels/divided-inl.h"
#include "quant/kernels/fitted-inl.h"
#include "quant/kernels/loops-inl.h"
#include "quant/kernels/scan-inl.h"
#include "quant/kernels/small_floats-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narrow {
namespace HWY_NAMESPACE {

template <auto kRoundTrip, auto kRestoreFloat, class R, class Source>
constexpr RuleKernels<typename Source::Constants> Kernels() {
  return {kRoundTrip,        Restore<R, Source>,        kRestoreFloat,
          Encode<R, Source>, Decode<R, Source, double>, Decode<R, Source, float>};
}

template <class R, class Source>
constexpr RuleKernels<typename Source::Constants> AnyKernels() {
  return Kernels<RoundTrip<R, Source>, RestoreFloat<R, Source>, R, Source>();
}

template <class Fitted, class R>
constexpr RuleKernels<BlockConstants> FittedKernels() {
  return Kernels<RoundTripBlock<Fitted, R>, RestoreFloatBlock<Fitted, R>, R, BlockSource>();
}

constexpr RuleKernels<BlockConstants> DividedKernels() {
  auto kernels = FittedKernels<FittedDivided, DividedRule>();
  kernels.restore = RestoreDivided;
  return kernels;
}

const KernelTable* Table() {
  static constexpr KernelTable kTable = {
      Scan,
      ScanRows,
      AddErrors<double, double>,
      AddErrors<float, float>,
      Widen,
      AddErrors<double, float>,
      RoundTripGroups,
      RestoreGroups<double>,
      RestoreGroups<float>,
      {LoadSmall<Half>, StoreSmall<Half>},
      {LoadSmall<BFloat16>, StoreSmall<BFloat16>},
      {{FittedKernels<FittedBin, BinRule>(), FittedKernels<FittedPowerOfTwo, PowerOfTwoRule>(),
        AnyKernels<DecimalRule, BlockSource>(), DividedKernels(),
        AnyKernels<CodebookRule, BlockSource>(), AnyKernels<FormatRule, BlockSource>()}},
      {{AnyKernels<BinRule, RowSource>(), AnyKernels<PowerOfTwoRule, RowSource>(),
        AnyKernels<DecimalRule, RowSource>(), AnyKernels<DividedRule, RowSource>(),
        AnyKernels<CodebookRule, RowSource>(), AnyKernels<FormatRule, RowSource>()}}};
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
  const std::int64_t targets = HWY_TARGETS & usable_targets();
  // A build for one machine has its target alone, which no limit takes away.
  return target_names(targets != 0 ? targets : HWY_STATIC_TARGET);
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
