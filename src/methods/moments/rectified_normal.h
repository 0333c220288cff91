// Moments of a normally distributed value after a ReLU.
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

}  // namespace narrow
