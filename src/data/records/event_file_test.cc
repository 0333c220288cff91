#include "data/records/event_file.h"

#include "data/records/tfrecord.h"
#include "data/testing/golden_data.h"

namespace narrow {
namespace {

using std::string_literals::operator""s;
using EventFile = TemporaryDirectoryTest;

std::string record_text(const TfRecordFile& records, std::size_t index) {
  std::vector<std::byte> bytes;
  records.read(index, bytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The bytes are those that the field numbers and wire types of TensorFlow's protocol buffers give.
TEST_F(EventFile, HasAVersionAndTheScalars) {
  const auto path = directory() / "events";
  OutputFile file(path);
  EventWriter(file, 1.5).write(1.5, 300, {{"a", 0.5F}, {"b", 0.0F}});
  file.finish();
  const TfRecordFile records(path);
  ASSERT_EQ(records.size(), 2U);
  const std::string time = "\x09\x00\x00\x00\x00\x00\x00\xf8\x3f"s;
  EXPECT_EQ(record_text(records, 0), time + "\x1a\x0d" + "brain.Event:2");
  EXPECT_EQ(record_text(records, 1), time + "\x10\xac\x02" + "\x2a\x14" + "\x0a\x08\x0a\x01" + "a" +
                                         "\x15\x00\x00\x00\x3f"s + "\x0a\x08\x0a\x01" + "b" +
                                         "\x15\x00\x00\x00\x00"s);
}

}  // namespace
}  // namespace narrow
