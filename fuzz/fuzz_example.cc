// Parses the input as a tf.Example; what parses must survive being written and parsed again.
#include <cstdlib>

#include "base/bytes.h"
#include "data/records/example.h"
#include "narrow/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const narrow::Example example = narrow::parse_example(bytes, "input");
    const std::string again = narrow::serialize_example(example);
    const auto copy = narrow::parse_example(narrow::as_byte_span(again), "copy");
    // Compared as bytes, because NaN is unequal to itself.
    if (narrow::serialize_example(copy) != again) std::abort();
    narrow::parse_image_example(bytes, "input");
  } catch (const narrow::Error&) {
  }
  return 0;
}
