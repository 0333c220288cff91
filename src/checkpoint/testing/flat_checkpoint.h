// What the tests of the single-file formats share.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "narrow/checkpoint.h"
#include "narrow/error.h"

namespace narrow {

// A tensor with its values.
struct FullTensor {
  TensorInfo info;
  std::string values;
  bool operator==(const FullTensor&) const = default;
};

inline void PrintTo(const FullTensor& tensor, std::ostream* out) {
  *out << tensor.info.name << " " << to_string(tensor.info.dtype) << to_string(tensor.info.shape)
       << " " << testing::PrintToString(tensor.values);
}

// A folder that lives as long as the test.
class TempFolder {
 public:
  TempFolder() {
    std::string name = testing::TempDir() + "/narrow_XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline std::filesystem::path golden_path(const std::string& name) {
  const char* root = std::getenv("NARROW_SOURCE_DIR");
  if (root == nullptr) throw std::runtime_error("NARROW_SOURCE_DIR is not set");
  return std::filesystem::path(root) / "tests" / "golden" / name;
}

inline std::string file_content(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void put_file(const std::filesystem::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(content.data(), static_cast<std::streamsize>(content.size()));
}

// Every tensor with its values, read in pieces of `piece_bytes` (0: at once).
inline std::vector<FullTensor> read_everything(const CheckpointReader& reader,
                                               std::size_t piece_bytes = 0) {
  std::vector<FullTensor> tensors;
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    FullTensor tensor{reader.tensors()[i], std::string(reader.tensors()[i].byte_size(), '\0')};
    const auto stream = reader.open(i);
    auto left = std::as_writable_bytes(std::span(tensor.values));
    while (!left.empty()) {
      const auto piece =
          left.first(piece_bytes == 0 ? left.size() : std::min(piece_bytes, left.size()));
      stream->read(piece);
      left = left.subspan(piece.size());
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

inline void write_everything(CheckpointWriter* writer, const std::vector<FullTensor>& tensors,
                             std::size_t piece_bytes = 1 << 20) {
  for (const FullTensor& tensor : tensors) writer->add(tensor.info);
  for (const FullTensor& tensor : tensors) {
    auto left = as_byte_span(tensor.values);
    while (!left.empty()) {
      const auto piece = left.first(std::min(piece_bytes, left.size()));
      writer->write(piece);
      left = left.subspan(piece.size());
    }
  }
  writer->finish();
}

// The tensors that tests/golden/NAME.txt lists; its format is that of make_golden.py beside it.
inline std::vector<FullTensor> expected_tensors(const std::string& golden_name) {
  std::istringstream lines(file_content(golden_path(golden_name + ".txt")));
  std::vector<FullTensor> tensors;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string dtype, shape, hex;
    FullTensor tensor;
    words >> dtype >> shape >> hex >> std::ws;
    std::getline(words, tensor.info.name);
    while (to_string(tensor.info.dtype) != dtype) {
      tensor.info.dtype = static_cast<DType>(static_cast<int>(tensor.info.dtype) + 1);
    }
    std::istringstream dims(shape == "-" ? "" : shape);
    for (std::string dim; std::getline(dims, dim, ',');) {
      tensor.info.shape.push_back(std::stoll(dim));
    }
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
      tensor.values.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

// Expects that `body` throws an Error of `category` whose sentence, with "; " and the detail of its
// remedy, contains `part`.
template <typename Body>
void expect_error(ErrorCategory category, const std::string& part, Body body) {
  try {
    body();
    ADD_FAILURE() << "no error was thrown, expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), category) << error.what();
    const std::string text = std::string(error.what()) + "; " + error.remedy().detail;
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

}  // namespace narrow
