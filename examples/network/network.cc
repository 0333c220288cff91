// Quantizes a ResNet V1 to 4 bits, once to the nearest codes and once with methods that know the
// network, compares the noise at the outputs of its layers, and writes the second result:
//
//   network INPUT OUTPUT IMAGE_SIZE
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "narrow/checkpoint.h"
#include "narrow/error.h"
#include "narrow/quantize_network.h"

namespace {

void quantize(const std::filesystem::path& input, const std::filesystem::path& output,
              int image_size) {
  const auto reader = narrow::open_checkpoint(input);
  narrow::Scheme scheme;
  scheme.bits = 4;
  const narrow::QuantizePlan plan = narrow::make_plan(*reader, scheme, narrow::Selection{});

  // A dry run: nothing is kept.
  narrow::NetworkMethods methods;
  methods.image_size = image_size;
  narrow::NullWriter nothing;
  const narrow::NetworkResult nearest =
      narrow::quantize_network(*reader, plan, methods, {}, nothing, nothing);

  // Rounding that lets errors of a channel cancel, and means of outputs that are put right. Neither
  // changes scales, so that there are none to keep for undo_channel_scales.
  methods.rounding = narrow::Rounding::kFlips;
  methods.bias_correct = true;
  const auto writer =
      narrow::create_checkpoint({reader->location().format, output}, narrow::Overwrite::kYes);
  const narrow::NetworkResult corrected =
      narrow::quantize_network(*reader, plan, methods, {}, *writer, nothing);
  writer->finish();

  std::printf("%s, %zu layers, mean error at their outputs: %.4f with the nearest codes, ",
              corrected.network.c_str(), corrected.layers.size(), nearest.mean_output_error());
  std::printf("%.4f with methods\n", corrected.mean_output_error());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: network INPUT OUTPUT IMAGE_SIZE\n");
    return 2;
  }
  try {
    quantize(argv[1], argv[2], std::atoi(argv[3]));
  } catch (const narrow::Error& error) {
    std::fprintf(stderr, "%s: %s\n", to_string(error.category()), error.what());
    return 1;
  }
}
