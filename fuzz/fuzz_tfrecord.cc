// Opens the input as a TFRecord file and reads every record, as an example where it is one.
#include "data/records/example.h"
#include "data/records/tfrecord.h"
#include "memory_file.h"
#include "narrow/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const narrow::MemoryFile file(data, size);
  try {
    const narrow::TfRecordFile records(file.path());
    std::vector<std::byte> record;
    for (std::size_t i = 0; i < records.size(); ++i) records.read(i, record);
  } catch (const narrow::Error&) {
  }
  return 0;
}
