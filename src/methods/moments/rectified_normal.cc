#include "methods/moments/rectified_normal.h"

#include <algorithm>
#include <cmath>

namespace narrow {
namespace {

// Beyond this the density is below 1e-17.
constexpr double kFar = 8.7;

// exp(-y), 0 <= y <= kFar^2 / 2: the series for y / 2^8, squared eight times.
double exp_of_negative(double y) {
  constexpr int kSquarings = 8;
  constexpr int kTerms = 16;
  const double reduced = y / (1 << kSquarings);
  double sum = 1;
  for (int k = kTerms; k > 0; --k) sum = 1 - reduced / k * sum;
  for (int k = 0; k < kSquarings; ++k) sum *= sum;
  return sum;
}

}  // namespace

double normal_density(double x) {
  constexpr double kInverseRootOfTwoPi = 0.39894228040143267794;
  if (std::abs(x) >= kFar) return 0;
  return kInverseRootOfTwoPi * exp_of_negative(x * x / 2);
}

double normal_distribution(double x) {
  if (x >= kFar) return 1;
  if (!(x > -kFar)) return 0;
  // 1/2 + p(x) (x + x^3 / 3 + x^5 / (3 5) + ...): all terms of one sign.
  double term = x;
  double sum = x;
  for (int odd = 3;; odd += 2) {
    term *= x * x / odd;
    const double next = sum + term;
    if (next == sum) break;
    sum = next;
  }
  return std::clamp(0.5 + normal_density(x) * sum, 0.0, 1.0);
}

Moments rectified_normal(double mean, double variance) {
  const double deviation = std::sqrt(variance);
  // The quotient may overflow; its limits are right.
  const double ratio = deviation > 0 ? mean / deviation : (mean > 0 ? kFar : -kFar);
  if (ratio >= kFar) return {mean, mean * mean + variance};
  if (ratio <= -kFar) return {0, 0};
  const double density = normal_density(ratio);
  const double below = normal_distribution(ratio);
  Moments moments;
  moments.mean = std::max(mean * below + deviation * density, 0.0);
  moments.second = (mean * mean + variance) * below + mean * deviation * density;
  moments.second = std::max(moments.second, moments.mean * moments.mean);
  return moments;
}

Moments clipped_normal(double mean, double variance, double least, double greatest) {
  const double s = std::sqrt(variance);
  if (!(s > 0)) {
    const double value = std::clamp(mean, least, greatest);
    return {value, value * value};
  }
  const double a = std::clamp((least - mean) / s, -kFar, kFar);
  const double b = std::clamp((greatest - mean) / s, -kFar, kFar);
  const double below = normal_distribution(a);
  const double above = normal_distribution(-b);
  const double inside = std::max(1 - below - above, 0.0);
  const double difference = normal_density(a) - normal_density(b);
  // An infinite bound has no share.
  const auto part = [](double bound, double share) { return share > 0 ? bound * share : 0; };
  Moments moments;
  moments.mean = part(least, below) + part(greatest, above) + mean * inside + s * difference;
  moments.second = part(least * least, below) + part(greatest * greatest, above) +
                   (mean * mean + variance) * inside + 2 * mean * s * difference +
                   variance * (a * normal_density(a) - b * normal_density(b));
  moments.second = std::max(moments.second, moments.mean * moments.mean);
  return moments;
}

}  // namespace narrow
