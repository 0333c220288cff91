// What is counted for one image, and the statistics of counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "narrow/evaluate.h"

namespace narrow {

// The prediction that these logits (one a class) are, for an image of `label`, -1 when it has none.
// argmax and top 5 are
// TensorFlow's argmax and in_top_k, for NaN and infinite logits too.
Prediction score_logits(std::span<const float> logits, int label, std::uint64_t record);

// ln of the sum of the exponentials; NaN when a logit is.
double log_sum_exp(std::span<const float> logits);

// 0 to 1 when there are no images.
Interval wilson_interval(std::uint64_t hits, std::uint64_t images);

HitRate make_hit_rate(std::uint64_t hits, std::uint64_t images);

// The probability that of b + c fair coins the smaller side has at most min(b, c), both sides.
double mcnemar_exact_p(std::uint64_t b, std::uint64_t c);

// KL(p || q) of the softmax of two rows of logits, in nats.
double divergence(std::span<const float> reference, std::span<const float> other);

// Both hold `classes` logits for each of the same examples, of which there is at least one; or as
// many other numbers.
LogitsComparison compare_logits(std::span<const float> first, std::span<const float> other,
                                std::size_t classes, bool are_classes = true);

// Both hold the same images in the same order.
PairedComparison compare_predictions(std::span<const Prediction> first,
                                     std::span<const Prediction> other);

}  // namespace narrow
