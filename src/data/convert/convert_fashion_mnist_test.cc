#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/convert/convert.h"
#include "data/dataset.h"
#include "data/testing/golden_data.h"

namespace narrow {
namespace {

using ::testing::HasSubstr;

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

std::string idx(const std::vector<std::uint32_t>& dimensions, const std::string& values) {
  std::string bytes = big_endian(0x0800 | static_cast<std::uint32_t>(dimensions.size()));
  for (const std::uint32_t dimension : dimensions) bytes += big_endian(dimension);
  return bytes + values;
}

class ConvertFashionMnistTest : public TemporaryDirectoryTest {
 protected:
  ConvertFashionMnistTest() {
    write_source("train-images-idx3-ubyte", idx({3, 2, 2}, "abcdefghijkl"));
    write_source("train-labels-idx1-ubyte", idx({3}, "\x09\x01\x03"));
    write_source("t10k-images-idx3-ubyte", idx({1, 2, 2}, "mnop"));
    write_source("t10k-labels-idx1-ubyte", idx({1}, "\x02"));
  }
  void write_source(const char* name, const std::string& bytes) const {
    write_file(directory() / name, bytes);
  }
  [[nodiscard]] std::filesystem::path out() const { return directory() / "out"; }
  ConvertResult convert() {
    return convert_fashion_mnist(out(), {.source = directory()}, observer_);
  }
  ConvertObserver observer_;
};

TEST_F(ConvertFashionMnistTest, CopiesGreyToThreeChannels) {
  const ConvertResult result = convert();
  EXPECT_EQ(result.splits.at(0).records, 3u);
  EXPECT_EQ(result.splits.at(1).records, 1u);
  const Dataset train(out(), find_dataset_spec("fashion_mnist"), "train");
  const LabeledImage labeled = train.read(1);
  EXPECT_EQ(labeled.label, 1);
  EXPECT_EQ(labeled.image,
            (Image{2, 2, {'e', 'e', 'e', 'f', 'f', 'f', 'g', 'g', 'g', 'h', 'h', 'h'}}));
  EXPECT_EQ(train.classes().at(9), "Ankle boot");
  EXPECT_TRUE(convert().was_complete);
}

TEST_F(ConvertFashionMnistTest, RefusesContradictions) {
  write_source("t10k-labels-idx1-ubyte", idx({2}, "\x02\x03"));
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt, [&] { convert(); }),
              HasSubstr("has 1 images, but there are 2 labels"));
  write_source("t10k-labels-idx1-ubyte", idx({1}, "\x0a"));
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt, [&] { convert(); }),
              HasSubstr("the label 10 for image 0"));
  EXPECT_FALSE(std::filesystem::exists(out() / "labels.txt"));
}

TEST_F(ConvertFashionMnistTest, NamesThePackage) {
  std::filesystem::remove(directory() / "train-labels-idx1-ubyte");
  EXPECT_THAT(error_message(ErrorCategory::kNotFound, [&] { convert(); }),
              HasSubstr("dataset-fashion-mnist"));
}

}  // namespace
}  // namespace narrow
