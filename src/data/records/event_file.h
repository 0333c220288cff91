// Event files, which TensorBoard reads: TFRecords of Event messages.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "data/records/tfrecord.h"

namespace narrow {

struct ScalarSummary {
  std::string tag;
  float value = 0;
};

// Appends to a file that the caller has created and will finish. Times are seconds since 1970.
// Everything throws Error(kIo) as OutputFile does.
class EventWriter {
 public:
  // Writes the record that opens an event file.
  EventWriter(OutputFile& file, double wall_time);
  // Writes one record with the scalars at `step`.
  void write(double wall_time, std::int64_t step, const std::vector<ScalarSummary>& scalars);

 private:
  TfRecordWriter records_;
};

}  // namespace narrow
