#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "graph/rules/fact_rules.h"
#include "graph/rules/resize.h"

namespace narrow {
namespace {

std::int64_t checked_size(double size) {
  if (!(size >= 0 && size <= static_cast<double>(kMostOfAxis))) {
    refuse_inputs(fmt::format("a resized axis of {} elements", size));
  }
  return static_cast<std::int64_t>(size);
}

// One scale for all axes, so that the result is not larger, or not smaller, than the sizes asked
// for.
double common_scale(const op::Resize& resize, std::span<const std::int64_t> x,
                    std::span<const std::int64_t> sizes) {
  double common = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double scale = static_cast<double>(sizes[i]) / static_cast<double>(x[i]);
    const bool is_better =
        resize.keep == op::ResizeKeep::kNotLarger ? scale < common : scale > common;
    if (i == 0 || is_better) common = scale;
  }
  return common;
}

template <typename Number>
std::span<const Number> view(const std::optional<std::vector<Number>>& numbers) {
  return numbers ? std::span<const Number>(*numbers) : std::span<const Number>();
}

}  // namespace

std::vector<ResizedAxis> resized_axes(const op::Resize& resize, std::span<const std::int64_t> x,
                                      std::span<const double> region,
                                      std::span<const double> scales,
                                      std::span<const std::int64_t> sizes) {
  const std::size_t count = scales.empty() ? sizes.size() : scales.size();
  const bool crops = resize.places == op::ResizePlaces::kTfCropAndResize;
  if (count != x.size() || (crops && region.size() != 2 * count)) {
    refuse_inputs(fmt::format("{} scales, {} sizes and {} ends of a region for {} axes",
                              scales.size(), sizes.size(), region.size(), x.size()));
  }
  const bool keeps = !sizes.empty() && resize.keep != op::ResizeKeep::kStretch;
  const double common = keeps ? common_scale(resize, x, sizes) : 0;
  std::vector<ResizedAxis> axes;
  for (std::size_t i = 0; i < count; ++i) {
    const auto size = static_cast<double>(x[i]);
    if (x[i] < 1) refuse_inputs("an axis without elements cannot be resized");
    if (!scales.empty()) {
      if (!(scales[i] > 0)) refuse_inputs(fmt::format("a scale of {}", scales[i]));
      const double part = crops ? region[i + count] - region[i] : 1;
      axes.push_back({checked_size(std::floor(size * part * scales[i])), scales[i]});
    } else if (keeps) {
      axes.push_back({checked_size(std::floor(size * common + 0.5)), common});
    } else {
      axes.push_back(
          {checked_size(static_cast<double>(sizes[i])), static_cast<double>(sizes[i]) / size});
    }
  }
  return axes;
}

Facts infer(const op::Resize& resize, FactInputs inputs) {
  const Fact& x = *inputs[0];
  require_rank(x, 1);
  Facts facts = one_fact(x.type, x.dimensions);
  std::vector<std::size_t> axes = axes_of(resize.axes, x.dimensions.size());
  if (axes.empty()) {
    for (std::size_t axis = 0; axis < x.dimensions.size(); ++axis) axes.push_back(axis);
  }
  const auto is_given = [](const Fact* input) {
    return input != nullptr && input->dimensions != Dimensions{0};
  };
  const Fact* const scales = is_given(input_at(inputs, 2)) ? inputs[2] : nullptr;
  const Fact* const sizes = is_given(input_at(inputs, 3)) ? inputs[3] : nullptr;
  if ((scales != nullptr) == (sizes != nullptr)) {
    refuse_inputs("it has scales and sizes or neither, expected one of them");
  }
  const Fact* const region = input_at(inputs, 1);
  const auto known_sizes = known_integers(sizes);
  std::vector<std::int64_t> x_sizes;
  for (const std::size_t axis : axes) x_sizes.push_back(x.dimensions[axis].size);
  const bool needs_region = resize.places == op::ResizePlaces::kTfCropAndResize;
  const bool is_known = (scales == nullptr ? known_sizes.has_value() : scales->reals.has_value()) &&
                        std::ranges::min(x_sizes) >= 0 &&
                        (!needs_region || (region != nullptr && region->reals));
  if (is_known) {
    const auto resized = resized_axes(
        resize, x_sizes, needs_region ? view(region->reals) : std::span<const double>(),
        scales != nullptr ? view(scales->reals) : std::span<const double>(), view(known_sizes));
    for (std::size_t i = 0; i < axes.size(); ++i) facts[0].dimensions[axes[i]] = resized[i].size;
    return facts;
  }
  for (std::size_t i = 0; i < axes.size(); ++i) {
    Dimension& size = facts[0].dimensions[axes[i]];
    const bool stays = scales != nullptr && scales->reals && scales->reals->size() == axes.size() &&
                       (*scales->reals)[i] == 1;
    const bool is_set = known_sizes && known_sizes->size() == axes.size() &&
                        resize.keep == op::ResizeKeep::kStretch;
    if (!stays)
      size = is_set ? Dimension(checked_size(static_cast<double>((*known_sizes)[i]))) : Dimension();
  }
  return facts;
}

}  // namespace narrow
