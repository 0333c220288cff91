#include "tasks/network/calibration_images.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/parallel.h"
#include "narrow/error.h"
#include "tasks/source_images.h"

namespace narrow {

Activations load_calibration_images(const CalibrationImages& images) {
  const PreprocessingOptions preprocessing = preprocessing_of(images.source);
  const EncodedImages records = open_records(images.source);
  const std::uint64_t count = std::min<std::uint64_t>(images.count, records.size());
  if (count < 2) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} images of {} were asked for; statistics need at least 2",
                            images.count, records.path().string()));
  }
  const int size = images.source.image_size;
  Activations batch = Activations::zeros(static_cast<std::int64_t>(count), size, size, 3);
  parallel_for(count, [&](std::size_t i) {
    preprocess_for_evaluation(
        read_image(records, i * records.size() / count), preprocessing,
        std::span(batch.values).subspan(i * batch.floats_per_image(), batch.floats_per_image()));
  });
  return batch;
}

}  // namespace narrow
