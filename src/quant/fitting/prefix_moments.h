// Sums of any interval of sorted values in constant time.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace narrow {

// Running sums of y = x - middle and of y * y, where middle is the value in the middle of the
// block: so little is lost when two sums are subtracted. Takes 16 bytes a value.
class PrefixMoments {
 public:
  // `ascending` must outlive this object.
  explicit PrefixMoments(std::span<const float> ascending);

  [[nodiscard]] std::span<const float> values() const { return values_; }
  [[nodiscard]] std::size_t size() const { return values_.size(); }

  // Mean of the values [begin, end), which must not be empty.
  [[nodiscard]] double mean(std::size_t begin, std::size_t end) const {
    return middle_ + (sums_[end].y - sums_[begin].y) / static_cast<double>(end - begin);
  }

  // What [begin, end) adds to the squared error when `level` stands for all of it.
  [[nodiscard]] double squared_error(std::size_t begin, std::size_t end, double level) const {
    const double v = level - middle_;
    const double y = sums_[end].y - sums_[begin].y;
    const double y2 = sums_[end].y2 - sums_[begin].y2;
    const double error = y2 - 2 * v * y + v * v * static_cast<double>(end - begin);
    return error > 0 ? error : 0;
  }

  // The same with the interval's own mean as the level.
  [[nodiscard]] double scatter(std::size_t begin, std::size_t end) const {
    const double y = sums_[end].y - sums_[begin].y;
    const double y2 = sums_[end].y2 - sums_[begin].y2;
    const double error = y2 - y * y / static_cast<double>(end - begin);
    return error > 0 ? error : 0;
  }

 private:
  struct Sums {
    double y = 0;
    double y2 = 0;
  };
  std::span<const float> values_;
  double middle_ = 0;
  std::vector<Sums> sums_;  // entry i: of the first i values
};

}  // namespace narrow
