// The choice between two neighbouring codes of each weight, made soft so that it can be trained.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace narrow {

// Weight i is now_i + h(v_i) (other_i - now_i) with the rectified sigmoid
//   h(v) = clip(1.2 / (1 + exp(-v)) - 0.1, 0, 1),
// and v is trained by Adam for a loss plus
//   lambda sum_i (1 - |2 h(v_i) - 1|^beta),
// which drives every h to 0 or 1 as beta falls (Nagel et al., "Up or Down? Adaptive Rounding for
// Post-Training Quantization", 2020, arXiv 2004.10568, equations 23 and 24). Everything runs on
// oneDNN's threads, and does not depend on their number.
class SoftRounding {
 public:
  // What values() gives.
  enum class View { kSoft, kNow, kChosen };

  // Of as many values each: the codes of now, those that may be chosen instead, maybe the same, and
  // what is to be rounded, at which h begins to point.
  SoftRounding(std::vector<float> now, std::vector<float> other, std::span<const float> wanted);

  [[nodiscard]] std::size_t size() const { return now_.size(); }
  void set_view(View view) { view_ = view; }
  void values(std::span<float> values) const;

  // With the gradients of the values first, first + 1, ... Pieces may be taken by several threads;
  // their limits must be those of for_each_value_piece. Before the first step: adds up the sizes of
  // dloss / dh; then makes lambda `strength` times the mean of them.
  void measure(std::size_t first, std::span<const float> gradients);
  void calibrate(double strength);

  // Before each step: its number, from 1 on, Adam's rate, and beta; a beta of 0: no such term.
  void begin_step(int step, double rate, double beta);
  // With the gradients of the soft values.
  void take(std::size_t first, std::span<const float> gradients);

 private:
  struct SizeSum {
    double sum = 0;
    double count = 0;
  };

  std::vector<float> now_;
  std::vector<float> span_;  // other - now
  std::vector<float> v_;
  std::vector<float> momentum_;
  std::vector<float> square_;
  View view_ = View::kSoft;
  std::vector<SizeSum> sizes_;  // of dloss / dh, by piece
  float lambda_ = 0;
  float beta_ = 0;
  float rate_ = 0;           // with the correction of Adam's first moment
  float square_factor_ = 1;  // the correction of the second one
};

}  // namespace narrow
