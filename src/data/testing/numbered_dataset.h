// A small dataset for tests: images whose pixels tell which record they are.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/bytes.h"
#include "data/dataset.h"
#include "data/records/example.h"
#include "data/testing/golden_data.h"

namespace narrow {

// Image `index` is 4 x 4, all pixels (index, 0, 0).
inline Image numbered_image(std::size_t index) {
  Image image{4, 4, std::vector<std::uint8_t>(4 * 4 * 3, 0)};
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    image.pixels[i] = static_cast<std::uint8_t>(index);
  }
  return image;
}

// Writes a file of that name with one image for each label, numbered from `first` on.
inline void write_numbered_file(const std::filesystem::path& path,
                                const std::vector<std::int64_t>& labels, std::size_t first = 0) {
  std::filesystem::remove(path);
  OutputFile file(path);
  TfRecordWriter writer(file);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const ImageExample example = {encode_png(numbered_image(first + i)), "png", labels[i], 4, 4};
    writer.write(as_byte_span(serialize_image_example(example)));
  }
  file.finish();
}

// Writes cifar10_test.tfrecord with one numbered image for each label.
inline void write_numbered_dataset(const std::filesystem::path& directory,
                                   const std::vector<std::int64_t>& labels) {
  write_numbered_file(directory / "cifar10_test.tfrecord", labels);
}

inline Dataset open_numbered_dataset(const std::filesystem::path& directory) {
  return {directory, find_dataset_spec("cifar10"), "test"};
}

}  // namespace narrow
