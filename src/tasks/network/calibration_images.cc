#include "tasks/network/calibration_images.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/parallel.h"
#include "data/dataset.h"
#include "data/preprocess/preprocessing.h"
#include "narrow/error.h"

namespace narrow {

Activations load_calibration_images(const CalibrationImages& images) {
  PreprocessingOptions preprocessing;
  if (!images.preprocessing_name.empty()) {
    preprocessing.kind = preprocessing_for(images.preprocessing_name);
  }
  preprocessing.output_size = images.image_size;
  preprocessing.resize_side = images.resize_side;
  validate(preprocessing);
  // Their labels mean nothing here.
  const TfRecordShards records = open_split(
      images.dataset_dir, find_dataset_spec(images.dataset_name), images.dataset_split_name);
  const std::uint64_t count = std::min<std::uint64_t>(images.count, records.size());
  if (count < 2) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} images of {} were asked for; statistics need at least 2",
                            images.count, records.path().string()));
  }
  Activations batch =
      Activations::zeros(static_cast<std::int64_t>(count), images.image_size, images.image_size, 3);
  parallel_for(count, [&](std::size_t i) {
    preprocess_for_evaluation(
        read_image(records, i * records.size() / count), preprocessing,
        std::span(batch.values).subspan(i * batch.floats_per_image(), batch.floats_per_image()));
  });
  return batch;
}

}  // namespace narrow
