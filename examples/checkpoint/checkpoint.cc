// Quantizes the weights of a checkpoint to 4 bits, a range for each channel, and writes the
// result in the same format:
//
//   checkpoint INPUT OUTPUT
#include <cstdio>
#include <filesystem>

#include "narrow/checkpoint.h"
#include "narrow/compare_checkpoints.h"
#include "narrow/error.h"
#include "narrow/quantize_checkpoint.h"

namespace {

// Follows the job.
class TensorLines : public narrow::QuantizeObserver {
 public:
  void on_tensor(const narrow::TensorResult& result, std::size_t done, std::size_t total) override {
    if (!result.quantized) return;
    std::printf("%zu of %zu: %s, %zu channels, relative error %.4f\n", done, total,
                result.info.name.c_str(), static_cast<std::size_t>(result.blocks),
                result.errors.relative_l2());
  }
};

void quantize(const std::filesystem::path& input, const std::filesystem::path& output) {
  // The bytes decide about the format, not the name.
  const auto reader = narrow::open_checkpoint(input);
  narrow::Scheme scheme;
  scheme.kind = narrow::SchemeKind::kSymmetric;
  scheme.bits = 4;
  scheme.granularity.kind = narrow::Granularity::Kind::kChannel;
  // What happens to each tensor: training state and whatever else is no weight is copied.
  const narrow::QuantizePlan plan = narrow::make_plan(*reader, scheme, narrow::Selection{});

  const auto writer =
      narrow::create_checkpoint({reader->location().format, output}, narrow::Overwrite::kYes);
  TensorLines lines;
  const narrow::QuantizeResult result =
      narrow::quantize_checkpoint(*reader, plan, {}, *writer, {.threads = 0, .observer = &lines});
  writer->finish();  // only now is there a file of that name

  const narrow::CheckpointComparison difference =
      narrow::compare_checkpoints(*reader, *narrow::open_checkpoint(output));
  std::printf("%zu tensors quantized, mean relative error %.4f; %zu tensors are the same\n",
              static_cast<std::size_t>(result.summary.quantized), result.summary.mean_relative_l2,
              static_cast<std::size_t>(difference.identical));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: checkpoint INPUT OUTPUT\n");
    return 2;
  }
  try {
    quantize(argv[1], argv[2]);
  } catch (const narrow::Error& error) {
    std::fprintf(stderr, "%s: %s\n", to_string(error.category()), error.what());
    return 1;
  }
}
