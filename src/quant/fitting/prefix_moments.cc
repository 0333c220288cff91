#include "quant/fitting/prefix_moments.h"

namespace narrow {

namespace {

constexpr std::size_t kMany = std::size_t{1} << 18;
constexpr std::size_t kStrideOfMany = 16;

}  // namespace

PrefixMoments::PrefixMoments(std::span<const float> ascending)
    : values_(ascending),
      stride_(ascending.size() > kMany ? kStrideOfMany : 1),
      sums_(ascending.size() / stride_ + 1) {
  if (ascending.empty()) return;
  middle_ = double{ascending[ascending.size() / 2]};
  Sums sums;
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    sums.add(double{ascending[i]} - middle_);
    if ((i + 1) % stride_ == 0) sums_[(i + 1) / stride_] = sums;
  }
}

}  // namespace narrow
