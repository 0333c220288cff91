// Parses the input as a batch of the Python archive with one image.
#include "data/convert/cifar10_batch.h"
#include "narrow/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto batch =
        narrow::parse_cifar10_pickle(std::as_bytes(std::span(data, size)), 1, "input");
    narrow::cifar10_image(batch, 0);
  } catch (const narrow::Error&) {
  }
  return 0;
}
