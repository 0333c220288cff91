// The examples of a golden file, one after the other.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "data/images/image.h"
#include "data/records/example.h"
#include "data/records/tfrecord.h"
#include "data/testing/golden_data.h"

namespace narrow {

struct GoldenExample {
  Example example;

  [[nodiscard]] std::string text(const char* key) const {
    return std::get<1>(example.at(key)).at(0);
  }
  [[nodiscard]] int number(const char* key) const {
    return static_cast<int>(std::get<3>(example.at(key)).at(0));
  }
  // Of the members pixels, height and width.
  [[nodiscard]] Image image() const {
    const std::string pixels = text("pixels");
    return {number("height"), number("width"), {pixels.begin(), pixels.end()}};
  }
};

// The examples of tests/golden/FOLDER/NAME.
inline std::vector<GoldenExample> golden_examples(std::string_view folder, std::string_view name) {
  const TfRecordFile file(golden_data_directory(folder) / name);
  std::vector<GoldenExample> examples;
  std::vector<std::byte> record;
  for (std::size_t i = 0; i < file.size(); ++i) {
    file.read(i, record);
    examples.push_back({parse_example(record, file.describe(i))});
  }
  return examples;
}

}  // namespace narrow
