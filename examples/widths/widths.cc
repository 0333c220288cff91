// Prints what every width costs the weights of a checkpoint, for two schemes; writes nothing:
//
//   widths CHECKPOINT
#include <cstdio>
#include <filesystem>
#include <string>

#include "narrow/checkpoint.h"
#include "narrow/error.h"
#include "narrow/quantize_checkpoint.h"

namespace {

void print_row(const narrow::CheckpointReader& reader, const narrow::Scheme& scheme) {
  const narrow::QuantizePlan plan = narrow::make_plan(reader, scheme, narrow::Selection{});
  narrow::NullWriter nothing;
  const narrow::QuantizeSummary summary =
      narrow::quantize_checkpoint(reader, plan, {}, nothing).summary;
  std::printf("%-12s %4d %10.4g %% %8.4g %% %8.4g %%\n",
              std::string(narrow::to_string(scheme.kind)).c_str(), scheme.bits,
              100 * summary.min_relative_l2, 100 * summary.mean_relative_l2,
              100 * summary.max_relative_l2);
}

void print_table(const std::filesystem::path& path) {
  const auto reader = narrow::open_checkpoint(path);
  std::printf("scheme       bits  least error   average   largest\n");
  for (const int bits : {8, 6, 4, 2}) {
    for (const auto kind : {narrow::SchemeKind::kBin, narrow::SchemeKind::kFixedPoint}) {
      narrow::Scheme scheme;
      scheme.kind = kind;
      scheme.bits = bits;
      print_row(*reader, scheme);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: widths CHECKPOINT\n");
    return 2;
  }
  try {
    print_table(argv[1]);
  } catch (const narrow::Error& error) {
    std::fprintf(stderr, "%s: %s\n", to_string(error.category()), error.what());
    return 1;
  }
}
