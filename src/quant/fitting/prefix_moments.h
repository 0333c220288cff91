// Sums of any interval of sorted values in constant time.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace narrow {

// Running sums of y = x - middle and of y * y, where middle is the value in the middle of the
// block: so little is lost when two sums are subtracted. Takes 16 bytes a value, of many values 1
// byte, where a sum is completed from the last one that is kept: in the same order, to the same
// bits.
class PrefixMoments {
 public:
  // `ascending` must outlive this object.
  explicit PrefixMoments(std::span<const float> ascending);

  [[nodiscard]] std::span<const float> values() const { return values_; }
  [[nodiscard]] std::size_t size() const { return values_.size(); }

  // Mean of the values [begin, end), which must not be empty.
  [[nodiscard]] double mean(std::size_t begin, std::size_t end) const {
    return middle_ + (sums_of(end).y - sums_of(begin).y) / static_cast<double>(end - begin);
  }

  // What [begin, end) adds to the squared error when `level` stands for all of it.
  [[nodiscard]] double squared_error(std::size_t begin, std::size_t end, double level) const {
    const double v = level - middle_;
    const Sums all = sums_of(end);
    const Sums before = sums_of(begin);
    const double y = all.y - before.y;
    const double y2 = all.y2 - before.y2;
    const double error = y2 - 2 * v * y + v * v * static_cast<double>(end - begin);
    return error > 0 ? error : 0;
  }

  // The same with the interval's own mean as the level.
  [[nodiscard]] double scatter(std::size_t begin, std::size_t end) const {
    const Sums all = sums_of(end);
    const Sums before = sums_of(begin);
    const double y = all.y - before.y;
    const double y2 = all.y2 - before.y2;
    const double error = y2 - y * y / static_cast<double>(end - begin);
    return error > 0 ? error : 0;
  }

 private:
  struct Sums {
    double y = 0;
    double y2 = 0;

    void add(double value) {
      y += value;
      y2 += value * value;
    }
  };
  // Of the first `count` values.
  [[nodiscard]] Sums sums_of(std::size_t count) const {
    Sums sums = sums_[count / stride_];
    for (std::size_t i = count / stride_ * stride_; i < count; ++i) {
      sums.add(double{values_[i]} - middle_);
    }
    return sums;
  }

  std::span<const float> values_;
  double middle_ = 0;
  std::size_t stride_;
  std::vector<Sums> sums_;  // entry i: of the first i * stride_ values
};

}  // namespace narrow
