// Parses the input as a batch of the binary archive with as many images as fit.
#include "data/convert/cifar10_batch.h"
#include "narrow/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto batch = narrow::parse_cifar10_binary(std::as_bytes(std::span(data, size)),
                                                    size / (1 + narrow::kCifarPixelBytes), "input");
    for (std::size_t row = 0; row < batch.size(); ++row) narrow::cifar10_image(batch, row);
  } catch (const narrow::Error&) {
  }
  return 0;
}
