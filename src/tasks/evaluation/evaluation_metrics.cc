#include "tasks/evaluation/evaluation_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace narrow {
namespace {

// The 97.5 % quantile of the normal distribution.
constexpr double kNormalQuantile = 1.959963984540054;

// TensorFlow begins with the lowest finite number at index 0 and moves on what is larger only.
int argmax_of(std::span<const float> logits) {
  int best = 0;
  float largest = std::numeric_limits<float>::lowest();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > largest) {
      largest = logits[i];
      best = static_cast<int>(i);
    }
  }
  return best;
}

bool is_in_top(std::span<const float> logits, std::size_t label, std::size_t k) {
  std::size_t larger = 0;
  for (const float logit : logits) {
    if (!std::isfinite(logit)) return false;
    if (logit > logits[label]) ++larger;
  }
  return larger < k;
}

bool ranks_before(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(b) && !std::isnan(a);
  return a > b;
}

}  // namespace

double log_sum_exp(std::span<const float> logits) {
  const double largest = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return largest + std::log(sum);
}

Prediction score_logits(std::span<const float> logits, int label, std::uint64_t record) {
  Prediction prediction;
  prediction.record = record;
  prediction.label = label;
  prediction.argmax = argmax_of(logits);
  const double normalizer = log_sum_exp(logits);
  const auto log_probability = [&](std::size_t i) {
    return static_cast<double>(logits[i]) - normalizer;
  };
  if (label >= 0) {
    const auto label_index = static_cast<std::size_t>(label);
    prediction.is_in_top_5 = is_in_top(logits, label_index, kRankedClasses);
    prediction.cross_entropy = -log_probability(label_index);
    prediction.label_probability = static_cast<float>(std::exp(log_probability(label_index)));
  }
  const std::size_t ranked = std::min(kRankedClasses, logits.size());
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::partial_sort(order, order.begin() + static_cast<std::ptrdiff_t>(ranked),
                            [&](std::size_t a, std::size_t b) {
                              if (ranks_before(logits[a], logits[b])) return true;
                              return !ranks_before(logits[b], logits[a]) && a < b;
                            });
  prediction.ranked = static_cast<int>(ranked);
  for (std::size_t i = 0; i < ranked; ++i) {
    prediction.classes.at(i) = static_cast<int>(order[i]);
    prediction.probabilities.at(i) = static_cast<float>(std::exp(log_probability(order[i])));
  }
  return prediction;
}

double divergence(std::span<const float> reference, std::span<const float> other) {
  const double p_normalizer = log_sum_exp(reference);
  const double q_normalizer = log_sum_exp(other);
  double sum = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double log_p = static_cast<double>(reference[i]) - p_normalizer;
    const double log_q = static_cast<double>(other[i]) - q_normalizer;
    sum += std::exp(log_p) * (log_p - log_q);
  }
  return std::max(sum, 0.0);  // rounding can leave less
}

LogitsComparison compare_logits(std::span<const float> first, std::span<const float> other,
                                std::size_t classes, bool are_classes) {
  const std::size_t examples = first.size() / classes;
  double squares = 0;
  double other_squares = 0;
  double products = 0;
  double noise = 0;
  std::size_t same = 0;
  LogitsComparison result;
  for (std::size_t example = 0; example < examples; ++example) {
    const auto p = first.subspan(example * classes, classes);
    const auto q = other.subspan(example * classes, classes);
    for (std::size_t i = 0; i < classes; ++i) {
      const double difference = static_cast<double>(p[i]) - static_cast<double>(q[i]);
      squares += static_cast<double>(p[i]) * p[i];
      other_squares += static_cast<double>(q[i]) * q[i];
      products += static_cast<double>(p[i]) * q[i];
      noise += difference * difference;
    }
    if (!are_classes) continue;
    if (argmax_of(p) == argmax_of(q)) ++same;
    result.mean_kl += divergence(p, q);
  }
  result.agreement = static_cast<double>(same) / static_cast<double>(examples);
  result.mean_kl /= static_cast<double>(examples);
  if (!are_classes) result.agreement = result.mean_kl = std::numeric_limits<double>::quiet_NaN();
  result.sqnr_db = 10 * std::log10(squares / noise);
  if (noise == 0) result.sqnr_db = std::numeric_limits<double>::infinity();
  result.cosine = products / std::sqrt(squares * other_squares);
  return result;
}

Interval wilson_interval(std::uint64_t hits, std::uint64_t images) {
  if (images == 0) return {0, 1};
  const auto n = static_cast<double>(images);
  const double rate = static_cast<double>(hits) / n;
  const double z2 = kNormalQuantile * kNormalQuantile;
  const double centre = (rate + z2 / (2 * n)) / (1 + z2 / n);
  const double half =
      kNormalQuantile / (1 + z2 / n) * std::sqrt(rate * (1 - rate) / n + z2 / (4 * n * n));
  return {hits == 0 ? 0 : std::max(0.0, centre - half),
          hits == images ? 1 : std::min(1.0, centre + half)};
}

HitRate make_hit_rate(std::uint64_t hits, std::uint64_t images) {
  return {hits, images, wilson_interval(hits, images)};
}

double mcnemar_exact_p(std::uint64_t b, std::uint64_t c) {
  const double n = static_cast<double>(b) + static_cast<double>(c);
  const auto least = static_cast<double>(std::min(b, c));
  // The largest term from the gamma function, the others from the ratio of neighbours.
  double term = std::exp(std::lgamma(n + 1) - std::lgamma(least + 1) - std::lgamma(n - least + 1) -
                         n * std::log(2.0));
  double sum = 0;
  for (double i = least; i >= 0 && term > 0; --i) {
    sum += term;
    term *= i / (n - i + 1);
  }
  return std::min(1.0, 2 * sum);
}

PairedComparison compare_predictions(std::span<const Prediction> first,
                                     std::span<const Prediction> other) {
  PairedComparison result;
  for (std::size_t i = 0; i < first.size(); ++i) {
    const bool first_correct = first[i].is_correct();
    const bool other_correct = other[i].is_correct();
    if (first_correct && !other_correct) ++result.only_first_correct;
    if (!first_correct && other_correct) ++result.only_other_correct;
    if (first[i].argmax == other[i].argmax) ++result.same_argmax;
  }
  const auto lost = static_cast<double>(result.only_first_correct);
  const auto won = static_cast<double>(result.only_other_correct);
  const auto n = static_cast<double>(first.size());
  result.mcnemar_p = mcnemar_exact_p(result.only_first_correct, result.only_other_correct);
  result.difference = (won - lost) / n;
  const double adjusted_lost = (lost + 1) / (n + 2);
  const double adjusted_won = (won + 1) / (n + 2);
  const double centre = adjusted_won - adjusted_lost;
  const double half =
      kNormalQuantile * std::sqrt((adjusted_won + adjusted_lost - centre * centre) / (n + 2));
  result.difference_interval = {std::max(-1.0, centre - half), std::min(1.0, centre + half)};
  return result;
}

double HitRate::value() const { return static_cast<double>(hits) / static_cast<double>(images); }

float HitRate::slim_value() const { return static_cast<float>(hits) / static_cast<float>(images); }

std::vector<std::vector<std::uint64_t>> Evaluation::confusion(std::size_t class_count) const {
  std::vector<std::vector<std::uint64_t>> counts(class_count,
                                                 std::vector<std::uint64_t>(class_count));
  for (const Prediction& prediction : predictions) {
    if (prediction.label < 0) continue;
    ++counts.at(static_cast<std::size_t>(prediction.label))
          .at(static_cast<std::size_t>(prediction.argmax));
  }
  return counts;
}

double EvaluateResult::images_per_second() const {
  return seconds > 0 ? static_cast<double>(images) / seconds : 0;
}

}  // namespace narrow
