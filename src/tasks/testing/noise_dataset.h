// A small dataset of noise, for the tests of this layer.
#pragma once

#include <filesystem>
#include <vector>

#include "base/random.h"
#include "data/testing/numbered_dataset.h"
#include "model/testing/small_checkpoint.h"
#include "narrow/image_source.h"

namespace narrow {

// cifar10_test.tfrecord with this many 12 x 12 images of noise; their labels, unless given, are
// noise too.
inline void write_noise_dataset(const std::filesystem::path& directory, std::size_t images,
                                const std::vector<int>& labels = {}) {
  const auto path = directory / "cifar10_test.tfrecord";
  std::filesystem::remove(path);
  OutputFile file(path);
  TfRecordWriter writer(file);
  RandomStream stream(1, "noise");
  for (std::size_t i = 0; i < images; ++i) {
    Image image{12, 12, std::vector<std::uint8_t>(12 * 12 * 3)};
    const std::uint64_t level = stream.below(200);
    for (auto& pixel : image.pixels) pixel = static_cast<std::uint8_t>(level + stream.below(56));
    const auto noise = static_cast<std::int64_t>(stream.below(10));
    const std::int64_t label = labels.empty() ? noise : labels[i];
    writer.write(as_byte_span(serialize_image_example({encode_png(image), "png", label, 12, 12})));
  }
  file.finish();
}

// That dataset for networks that see this height and width.
inline ImageSource noise_source(const std::filesystem::path& directory, int size) {
  ImageSource source;
  source.dataset_name = "cifar10";
  source.dataset_dir = directory;
  source.dataset_split_name = "test";
  source.image_size = source.resize_side = size;
  return source;
}

}  // namespace narrow
