// Says to the system what a stream over a part of a file will read, so that the disk works while
// the bytes before that are computed with. Its own reading ahead depends on the machine, starts
// again with every tensor and is confused by two streams over one file. What is fetched so lies in
// small pages, from which a second reading copies more slowly: the disk costs more.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/file.h"

namespace narrow {

class ReadAhead {
 public:
  // Of a stream that reads [begin, end) front to back.
  ReadAhead(std::uint64_t begin, std::uint64_t end) : begin_(begin), end_(end), told_(begin) {}

  // Before the bytes up to `position` are read.
  void reach(const InputFile& file, std::uint64_t position) {
    if (position - begin_ < kStepBytes) return;  // who takes so little may want the beginning only
    const std::uint64_t wanted = std::min(end_, position + kAheadBytes);
    if (wanted < told_ + kStepBytes) return;
    file.will_need(told_, wanted - told_);
    told_ = wanted;
  }

 private:
  static constexpr std::uint64_t kAheadBytes = std::uint64_t{8} << 20;
  static constexpr std::uint64_t kStepBytes = std::uint64_t{1} << 20;
  std::uint64_t begin_;
  std::uint64_t end_;
  std::uint64_t told_;
};

}  // namespace narrow
