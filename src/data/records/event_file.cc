#include "data/records/event_file.h"

#include "base/bytes.h"
#include "event.pb.h"

namespace narrow {

EventWriter::EventWriter(OutputFile& file, double wall_time) : records_(file) {
  wire::Event event;
  event.set_wall_time(wall_time);
  event.set_file_version("brain.Event:2");
  records_.write(as_byte_span(event.SerializeAsString()));
}

void EventWriter::write(double wall_time, std::int64_t step,
                        const std::vector<ScalarSummary>& scalars) {
  wire::Event event;
  event.set_wall_time(wall_time);
  event.set_step(step);
  for (const ScalarSummary& scalar : scalars) {
    wire::Summary::Value* value = event.mutable_summary()->add_value();
    value->set_tag(scalar.tag);
    value->set_simple_value(scalar.value);
  }
  records_.write(as_byte_span(event.SerializeAsString()));
}

}  // namespace narrow
