// A loop over floats. Included once for every instruction set.
#if defined(NARROW_BASE_FOR_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NARROW_BASE_FOR_VECTORS_INL_H_
#undef NARROW_BASE_FOR_VECTORS_INL_H_
#else
#define NARROW_BASE_FOR_VECTORS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace narrow {
namespace HWY_NAMESPACE {

// Calls body(tag, i) for whole vectors of [0, count), then for single elements.
template <typename Body>
HWY_INLINE void ForVectors(std::size_t count, const Body& body) {
  const hwy::HWY_NAMESPACE::ScalableTag<float> wide;
  const hwy::HWY_NAMESPACE::CappedTag<float, 1> single;
  const std::size_t lanes = hwy::HWY_NAMESPACE::Lanes(wide);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) body(wide, i);
  for (; i < count; ++i) body(single, i);
}

}  // namespace HWY_NAMESPACE
}  // namespace narrow
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
