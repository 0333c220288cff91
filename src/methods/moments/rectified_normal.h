// Moments of a normally distributed value after a ReLU or between two bounds.
#pragma once

namespace narrow {

struct Moments {
  double mean = 0;
  double second = 0;  // of the square; never below mean * mean

  [[nodiscard]] double variance() const { return second - mean * mean; }
};

// Density and distribution function of the standard normal distribution. Absolute error below
// 1e-13; the same bits on every machine, which the C library's exp and erf do not promise. x is a
// number. Marsaglia, "Evaluating the Normal Distribution", Journal of Statistical Software 11(4),
// 2004.
double normal_density(double x);
double normal_distribution(double x);

// Moments of max(x, 0) for x normal with this mean and variance >= 0. Nagel et al., "Data-Free
// Quantization through Weight Equalization and Bias Correction", 2019, appendix C:
// E[r] = m P(m/s) + s p(m/s), E[r^2] = (m^2 + s^2) P(m/s) + m s p(m/s).
Moments rectified_normal(double mean, double variance);

// Moments of x within [least, greatest], least <= greatest, for such an x. With a and b the bounds
// in deviations from the mean, m and s mean and deviation, p density and P distribution function:
// E[r] = least P(a) + greatest (1 - P(b)) + m (P(b) - P(a)) + s (p(a) - p(b)) and
// E[r^2] = least^2 P(a) + greatest^2 (1 - P(b)) + (m^2 + s^2) (P(b) - P(a)) + 2 m s (p(a) - p(b))
// + s^2 (a p(a) - b p(b)): integrals of x and x^2 over the parts of the density. Bounds may be
// infinite.
Moments clipped_normal(double mean, double variance, double least, double greatest);

}  // namespace narrow
