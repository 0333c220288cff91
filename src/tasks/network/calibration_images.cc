#include "tasks/network/calibration_images.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/exchange.h"
#include "base/parallel.h"
#include "narrow/error.h"
#include "tasks/source_images.h"

namespace narrow {

namespace {

// Those of the share that are chosen.
Activations load_images(const CalibrationImages& images, const Share& share,
                        const ChooseImages& choose) {
  const PreprocessingOptions preprocessing = preprocessing_of(images.source);
  const EncodedImages records = open_records(images.source);
  const std::uint64_t count = std::min<std::uint64_t>(images.count, records.size());
  if (count < 2) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} images of {} were asked for; statistics need at least 2",
                            images.count, records.path().string()));
  }
  if (count < share.count) {
    throw Error(ErrorCategory::kUsage, fmt::format("{} ranks share {} images; start no more ranks "
                                                   "than there are images",
                                                   share.count, count));
  }
  const int size = images.source.image_size;
  std::vector<std::uint64_t> mine;
  for (std::uint64_t i = share.index; i < count; i += share.count) mine.push_back(i);
  if (choose) mine = choose(mine);
  Activations batch = Activations::zeros(static_cast<std::int64_t>(mine.size()), size, size, 3);
  parallel_for(mine.size(), [&](std::size_t i) {
    preprocess_for_evaluation(
        read_image(records, spread_position(mine[i], count, records.size())), preprocessing,
        std::span(batch.values).subspan(i * batch.floats_per_image(), batch.floats_per_image()));
  });
  return batch;
}

}  // namespace

Activations load_calibration_images(const CalibrationImages& images) {
  return load_calibration_images(images, {});
}

Activations load_calibration_images(const CalibrationImages& images, const ChooseImages& choose) {
  return load_images(images, {images.part, images.parts}, choose);
}

Activations load_images_of_rank(const CalibrationImages& images) {
  return load_images(images, share_of_rank(), {});
}

}  // namespace narrow
