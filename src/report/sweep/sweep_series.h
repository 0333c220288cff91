// The rows of a sweep and the curves that they make.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "narrow/activation_scheme.h"
#include "narrow/scheme.h"

namespace narrow {

struct SweepOutcome;

// A scheme, and what values between operators are.
struct SweepRow {
  std::size_t scheme = 0;
  std::optional<ActivationScheme> activations = {};
};
// By scheme, and for each by activations: in the order of SweepEvaluation::networks.
std::vector<SweepRow> rows_of(const SweepOutcome& outcome);

// "bin", "fixed-point decimal", "bin, channel, mse": the scheme without its width.
std::string series_name(const Scheme& scheme);
// "6:affine", "6:affine, mse"; "float".
std::string activations_name(const std::optional<ActivationScheme>& activations);

// The positions of the schemes, or of the rows, that differ in width only, by ascending width.
struct SweepSeries {
  std::string name;
  std::vector<std::size_t> places;
};
std::vector<SweepSeries> series_of(const std::vector<Scheme>& schemes);
// Without activations the same.
std::vector<SweepSeries> series_of_rows(const SweepOutcome& outcome);
// Whether some rows have quantized activations.
bool has_activations(const SweepOutcome& outcome);

}  // namespace narrow
