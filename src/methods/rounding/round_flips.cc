#include "methods/rounding/round_flips.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "base/parallel.h"
#include "narrow/error.h"

namespace narrow {
namespace {

int sign_of(double value) { return value > 0 ? 1 : value < 0 ? -1 : 0; }

// One output channel: its kernels' taps one after another.
class Channel {
 public:
  // `restored` are the values of the codes.
  Channel(const TensorGrid& grid, const KernelPlaces& places, std::span<const double> tap_shares,
          std::span<const float> values, std::span<const float> restored,
          std::span<std::int64_t> codes, std::size_t channel)
      : grid_(grid),
        codes_(codes),
        shares_(tap_shares),
        places_(places),
        taps_(places.taps),
        kernels_(places.inputs),
        channel_(channel),
        errors_(taps_ * kernels_) {
    for (std::size_t i = 0; i < errors_.size(); ++i) {
      const std::size_t element = element_of(i);
      const double step = grid.step_of(element);
      const double error = static_cast<double>(restored[element]) - values[element];
      errors_[i] = step > 0 ? error / step : 0;
    }
  }

  void flip() {
    std::vector<std::size_t> taps(taps_);
    for (std::size_t kernel = 0; kernel < kernels_; ++kernel) {
      for (std::size_t t = 0; t < taps_; ++t) taps[t] = kernel * taps_ + t;
      flip_some(taps, kernel_sum(kernel));
    }
    flip_one_of_each_kernel();
  }

 private:
  // Errors are stored kernel by kernel.
  [[nodiscard]] std::size_t element_of(std::size_t i) const {
    return i % taps_ * places_.tap_stride + i / taps_ * places_.input_stride +
           channel_ * places_.output_stride;
  }

  [[nodiscard]] double share_of(std::size_t i) const { return shares_[i % taps_]; }

  [[nodiscard]] double kernel_sum(std::size_t kernel) const {
    double sum = 0;
    for (std::size_t t = 0; t < taps_; ++t) sum += shares_[t] * errors_[kernel * taps_ + t];
    return sum;
  }

  [[nodiscard]] bool can_flip(std::size_t i, int sign) const {
    if (share_of(i) == 0 || sign_of(errors_[i]) != sign || std::fabs(errors_[i]) >= 1) return false;
    const std::size_t element = element_of(i);
    const CodeRange& range = grid_.codes_of(element);
    const std::int64_t code = codes_[element] - sign;
    return code >= range.min && code <= range.max;
  }

  // Flips candidates, the largest errors first, as long as that leaves less of the sum.
  void flip_some(std::vector<std::size_t> candidates, double sum) {
    const int sign = sign_of(sum);
    double left = std::fabs(sum);
    std::erase_if(candidates, [&](std::size_t i) { return !can_flip(i, sign); });
    std::ranges::stable_sort(candidates, [&](std::size_t a, std::size_t b) {
      return std::fabs(errors_[a]) > std::fabs(errors_[b]);
    });
    for (const std::size_t i : candidates) {
      if (share_of(i) > 2 * left) continue;
      left -= share_of(i);
      codes_[element_of(i)] -= sign;
      errors_[i] -= sign;
    }
  }

  void flip_one_of_each_kernel() {
    double sum = 0;
    for (std::size_t kernel = 0; kernel < kernels_; ++kernel) sum += kernel_sum(kernel);
    const int sign = sign_of(sum);
    std::vector<std::size_t> candidates;
    for (std::size_t kernel = 0; kernel < kernels_; ++kernel) {
      if (sign_of(kernel_sum(kernel)) != sign) continue;
      std::size_t best = errors_.size();
      for (std::size_t i = kernel * taps_; i < (kernel + 1) * taps_; ++i) {
        if (!can_flip(i, sign)) continue;
        if (best == errors_.size() || std::fabs(errors_[i]) > std::fabs(errors_[best])) best = i;
      }
      if (best < errors_.size()) candidates.push_back(best);
    }
    flip_some(std::move(candidates), sum);
  }

  const TensorGrid& grid_;
  std::span<std::int64_t> codes_;
  std::span<const double> shares_;
  const KernelPlaces& places_;
  std::size_t taps_;
  std::size_t kernels_;
  std::size_t channel_;
  std::vector<double> errors_;  // restored less original, in steps
};

}  // namespace

KernelPlaces KernelPlaces::hwio(const Shape& shape) {
  const auto size = [&](std::size_t axis) { return static_cast<std::size_t>(shape.at(axis)); };
  return {size(0) * size(1), size(2), size(3), size(2) * size(3), size(3), 1};
}

void require_equal_steps(const Scheme& scheme, const std::string& name) {
  if (scheme.kind != SchemeKind::kCodebook) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{}: rounding flips needs codes that are equally far apart; those of a "
                          "codebook are not",
                          name));
}

void flip_to_keep_sums(const TensorGrid& grid, const KernelPlaces& places,
                       std::span<const double> tap_shares, std::span<const float> values,
                       std::span<std::int64_t> codes) {
  std::vector<float> restored(values.size());
  grid.decode(0, codes, restored);
  parallel_for(places.outputs, [&](std::size_t channel) {
    Channel(grid, places, tap_shares, values, restored, codes, channel).flip();
  });
}

}  // namespace narrow
