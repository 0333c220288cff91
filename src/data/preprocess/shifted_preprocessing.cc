// The augmentation of He et al. for CIFAR-10: four pixels of padding on each side, a random crop of
// the original size, a random flip. The padding is what the mean colour becomes, as in the paper,
// where the mean is subtracted first.
#include <algorithm>
#include <vector>

#include "data/preprocess/preprocessing_kinds.h"

namespace narrow {
namespace {

constexpr int kPadding = 4;

}  // namespace

void shifted_for_training(const Image& image, const PreprocessingOptions& options,
                          RandomStream& random, std::span<float> out) {
  PreprocessingOptions centered = options;
  centered.resize_side = options.output_size;
  std::vector<float> still(out.size());
  preprocess_for_evaluation(image, centered, still);
  const auto shift = [&] { return static_cast<int>(random.below(2 * kPadding + 1)) - kPadding; };
  const int top = shift();
  const int left = shift();
  const bool flipped = random.below(2) == 1;
  const int size = options.output_size;
  float* to = out.data();
  for (int y = top; y < top + size; ++y) {
    for (int column = 0; column < size; ++column, to += kImageChannels) {
      const int x = left + (flipped ? size - 1 - column : column);
      if (y < 0 || y >= size || x < 0 || x >= size) {
        std::fill_n(to, kImageChannels, 0.0F);
      } else {
        std::copy_n(still.begin() + (std::ptrdiff_t{y} * size + x) * kImageChannels, kImageChannels,
                    to);
      }
    }
  }
}

}  // namespace narrow
