// Event files, which TensorBoard reads: TFRecords of Event messages.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"

namespace narrow {

struct ScalarSummary {
  std::string tag;
  float value = 0;
};

// Writes the record that opens an event file and one with the scalars at `step`; both at
// `wall_time`, in seconds since 1970. Throws Error(kIo) as OutputFile does.
void write_scalar_events(OutputFile& file, double wall_time, std::int64_t step,
                         const std::vector<ScalarSummary>& scalars);

}  // namespace narrow
