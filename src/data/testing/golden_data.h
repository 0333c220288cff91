// Where the golden files of the tests of this layer are, and what else these share.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string_view>

#include "base/testing/expected_error.h"
#include "base/testing/temporary_directory.h"

namespace narrow {

using std::string_view_literals::operator""sv;

// Where the committed golden files of this layer are: TensorFlow's in "data", Pillow's in "pillow".
inline std::filesystem::path golden_data_directory(std::string_view folder = "data") {
  const char* root = ::getenv("NARROW_SOURCE_DIR");
  return std::filesystem::path(root == nullptr ? "." : root) / "tests/golden" / folder;
}

}  // namespace narrow
