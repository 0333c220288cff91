// Which widths every tensor of a plan may have.
#pragma once

#include <cstddef>
#include <vector>

#include "narrow/plan.h"
#include "narrow/tensor.h"

namespace narrow {

// Tensors that share one width; most groups have one.
struct WidthGroup {
  std::vector<std::size_t> members;  // positions in the list of tensors, ascending
  std::vector<int> widths;           // ascending, at least one
  bool may_stay_float = false;
};

// The groups by their first members. Throws Error(kNotFound) for a pattern that matches none of
// `tensors`, Error(kUsage) for a width out of range or rules that leave a tensor no width.
std::vector<WidthGroup> width_groups(const std::vector<TensorInfo>& tensors,
                                     const AllocationRequest& request);

}  // namespace narrow
