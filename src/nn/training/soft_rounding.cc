#include "nn/training/soft_rounding.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "nn/onednn_pieces.h"

namespace narrow {
namespace {

constexpr float kStretch = 1.2F;
constexpr float kBelow = 0.1F;
// Of the way to what is to be rounded: better than all of it, from gptq's codes on.
constexpr float kFirstPart = 0.3F;
// At 0 nothing would move any more.
constexpr float kLeastShare = 0.02F;
constexpr float kMomentum = 0.9F;
constexpr float kSquares = 0.999F;
constexpr float kEpsilon = 1e-20F;

struct RectifiedSigmoid {
  explicit RectifiedSigmoid(float v) {
    const float sigmoid = 1 / (1 + std::exp(-v));
    const float stretched = kStretch * sigmoid - kBelow;
    value = std::clamp(stretched, 0.0F, 1.0F);
    slope = stretched == value ? kStretch * sigmoid * (1 - sigmoid) : 0;
  }
  float value;
  float slope;
};

// The v with this h.
float inverse_sigmoid(float h) {
  const float sigmoid = (h + kBelow) / kStretch;
  return std::log(sigmoid / (1 - sigmoid));
}

}  // namespace

SoftRounding::SoftRounding(std::vector<float> now, std::vector<float> other,
                           std::span<const float> wanted)
    : now_(std::move(now)),
      span_(std::move(other)),
      v_(now_.size()),
      momentum_(now_.size()),
      square_(now_.size()),
      sizes_(value_pieces(now_.size())) {
  for (std::size_t i = 0; i < now_.size(); ++i) {
    span_[i] -= now_[i];
    if (span_[i] == 0) continue;
    const float share = std::min(1.0F, (wanted[i] - now_[i]) / span_[i]);
    v_[i] = inverse_sigmoid(std::max(kLeastShare, kFirstPart * share));
  }
}

void SoftRounding::values(std::span<float> values) const {
  for_each_value_piece(now_.size(),
                       [&](std::size_t /*piece*/, std::size_t first, std::size_t last) {
                         for (std::size_t i = first; i < last; ++i) {
                           float share = 0;
                           if (view_ == View::kSoft) share = RectifiedSigmoid(v_[i]).value;
                           if (view_ == View::kChosen) share = v_[i] > 0 ? 1.0F : 0.0F;
                           values[i] = now_[i] + share * span_[i];
                         }
                       });
}

void SoftRounding::begin_step(int step, double rate, double beta) {
  beta_ = static_cast<float>(beta);
  rate_ = static_cast<float>(rate / (1 - std::pow(static_cast<double>(kMomentum), step)));
  square_factor_ = static_cast<float>(1 / (1 - std::pow(static_cast<double>(kSquares), step)));
}

void SoftRounding::measure(std::size_t first, std::span<const float> gradients) {
  SizeSum& size = sizes_[first / kValuesOfPiece];
  for (std::size_t k = 0; k < gradients.size(); ++k) {
    const float span = span_[first + k];
    if (span == 0) continue;
    size.sum += std::abs(gradients[k] * span);
    ++size.count;
  }
}

void SoftRounding::take(std::size_t first, std::span<const float> gradients) {
  for (std::size_t k = 0; k < gradients.size(); ++k) {
    const std::size_t i = first + k;
    if (span_[i] == 0) continue;
    const RectifiedSigmoid h(v_[i]);
    float slope = gradients[k] * span_[i];
    if (beta_ > 0) {
      const float middle = 2 * h.value - 1;
      const float size_of_slope = 2 * lambda_ * beta_ * std::pow(std::abs(middle), beta_ - 1);
      slope -= middle < 0 ? -size_of_slope : size_of_slope;
    }
    const float gradient = slope * h.slope;
    momentum_[i] += (1 - kMomentum) * (gradient - momentum_[i]);
    square_[i] += (1 - kSquares) * (gradient * gradient - square_[i]);
    v_[i] -= rate_ * momentum_[i] / (std::sqrt(square_[i] * square_factor_) + kEpsilon);
  }
}

void SoftRounding::calibrate(double strength) {
  SizeSum all;
  for (const SizeSum& size : sizes_) {
    all.sum += size.sum;
    all.count += size.count;
  }
  lambda_ = all.count > 0 ? static_cast<float>(strength * all.sum / all.count) : 0;
}

}  // namespace narrow
