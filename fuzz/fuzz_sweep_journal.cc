// Any bytes as the journal of a sweep.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tasks/sweep/sweep_journal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  const std::size_t whole =
      narrow::parse_journal(bytes, std::string(64, 'a'), [](const narrow::JournalRecord& record) {
        const std::size_t images = record.positions.size();
        if (record.labels.size() != images || record.logits.size() != images * record.classes) {
          std::abort();
        }
      });
  if (whole > size) std::abort();
  return 0;
}
