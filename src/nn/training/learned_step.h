// Values between operators as a network of integers has them, with a scale that is trained: Esser
// et al., "Learned Step Size Quantization", 2019, arXiv 1902.08153. Internal to this folder.
#pragma once

#include <cstddef>

#include "nn/training/training_network.h"

namespace narrow {

// Everything runs on oneDNN's threads, and gives the same for every number of them. Instead of a
// step its scale_of_step() counts.
class LearnedStep {
 public:
  // `gradient`: of the step; null when it is not trained. Both must outlive it.
  LearnedStep(CodeInterval codes, const float* step, float* gradient)
      : codes_(codes), step_(step), gradient_(gradient) {}

  // Before the first pass: of each value with this step, how many numbers an example has.
  void add_use(std::size_t floats_of_example) { floats_of_example_ += floats_of_example; }
  [[nodiscard]] bool is_trained() const { return gradient_ != nullptr; }

  // y = rne(clamp(x / step, least, greatest)) step.
  void forward(const float* x, std::size_t count, float* y) const;

  // A backward pass: begin(), backward() for every value, finish().
  void begin() { sum_ = 0; }
  // Makes the gradient of y that of x: itself where a code holds x, else 0 ("straight through").
  // The step's is rne(x / step) - x / step there, else the code at the end of the range (equation
  // 3).
  void backward(const float* x, std::size_t count, float* gradient);
  // Sets the gradient of the step: the sum over all elements times 1 / sqrt(N Q), N the numbers of
  // an example and Q the greatest code (section 2.2).
  void finish();

 private:
  CodeInterval codes_;
  const float* step_;
  float* gradient_;
  std::size_t floats_of_example_ = 0;
  double sum_ = 0;
};

}  // namespace narrow
