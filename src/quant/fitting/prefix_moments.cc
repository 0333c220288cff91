#include "quant/fitting/prefix_moments.h"

namespace narrow {

PrefixMoments::PrefixMoments(std::span<const float> ascending)
    : values_(ascending), sums_(ascending.size() + 1) {
  if (ascending.empty()) return;
  middle_ = double{ascending[ascending.size() / 2]};
  Sums sums;
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    const double y = double{ascending[i]} - middle_;
    sums.y += y;
    sums.y2 += y * y;
    sums_[i + 1] = sums;
  }
}

}  // namespace narrow
