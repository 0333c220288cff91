// Sums over the rows of an array, two for each channel, in double where it matters.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace narrow {

// How the rows of an array are shared among threads: parts of about the same size, as many as the
// size of the array asks for, not the number of threads.
struct RowParts {
  RowParts(std::size_t rows, std::size_t channels);

  int count = 1;
  std::size_t rows_per_part = 0;  // of all but the last
};

// Calls body(first, rows) for every part, on oneDNN's threads.
void for_each_row_part(std::size_t rows, std::size_t channels,
                       const std::function<void(std::size_t first, std::size_t rows)>& body);

class RowSums {
 public:
  // Adds to two sums of each channel what rows [first, first + rows) contribute, in float32.
  using AddRows =
      std::function<void(std::size_t first, std::size_t rows, float* sums, float* other_sums)>;

  // float32 sums of a few rows each are added up in double, in the order of the rows whatever the
  // number of threads is. [channels] sums, then [channels] other sums, valid until the next call.
  const std::vector<double>& add(std::size_t rows, std::size_t channels, const AddRows& add_rows);

 private:
  std::vector<float> few_;     // for each part
  std::vector<double> parts_;  // for each part
  std::vector<double> totals_;
};

}  // namespace narrow
