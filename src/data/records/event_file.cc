#include "data/records/event_file.h"

#include "base/bytes.h"
#include "data/records/tfrecord.h"
#include "event.pb.h"

namespace narrow {

void write_scalar_events(OutputFile& file, double wall_time, std::int64_t step,
                         const std::vector<ScalarSummary>& scalars) {
  TfRecordWriter writer(file);
  wire::Event event;
  event.set_wall_time(wall_time);
  event.set_file_version("brain.Event:2");
  writer.write(as_byte_span(event.SerializeAsString()));
  event.set_step(step);
  for (const ScalarSummary& scalar : scalars) {
    wire::Summary::Value* value = event.mutable_summary()->add_value();
    value->set_tag(scalar.tag);
    value->set_simple_value(scalar.value);
  }
  writer.write(as_byte_span(event.SerializeAsString()));
}

}  // namespace narrow
