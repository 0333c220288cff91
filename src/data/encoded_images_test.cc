#include "data/encoded_images.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "data/dataset.h"
#include "data/testing/golden_examples.h"
#include "data/testing/numbered_dataset.h"

namespace narrow {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EncodedImagesTest : public TemporaryDirectoryTest {
 protected:
  [[nodiscard]] std::filesystem::path at(const std::string& name) const {
    return directory() / name;
  }

  void put(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories(at(name).parent_path());
    OutputFile file(at(name));
    file.write(bytes);
    file.finish();
  }

  // Pictures 0 to 2 in two classes, in the order of their numbers.
  [[nodiscard]] Dataset open_pictures(int labels_offset = 0) const {
    put("set/a/0.png", encode_png(numbered_image(0)));
    put("set/a/1.png", encode_png(numbered_image(1)));
    put("set/b/0.png", encode_png(numbered_image(2)));
    return Dataset(list_pictures(at("set")), labels_offset);
  }
};

TEST_F(EncodedImagesTest, PicturesAreADataset) {
  const Dataset dataset = open_pictures();
  ASSERT_EQ(dataset.size(), 3u);
  EXPECT_THAT(dataset.classes(), ElementsAre("a", "b"));
  EXPECT_EQ(dataset.records().path(), at("set"));
  EXPECT_EQ(dataset.records().files().size(), 3u);
  EXPECT_EQ(dataset.records().size_bytes(), std::filesystem::file_size(at("set/a/0.png")) +
                                                std::filesystem::file_size(at("set/a/1.png")) +
                                                std::filesystem::file_size(at("set/b/0.png")));
  for (std::size_t i = 0; i < 3; ++i) {
    const LabeledImage labeled = dataset.read(i);
    EXPECT_EQ(labeled.image, numbered_image(i));
    EXPECT_EQ(labeled.label, i == 2 ? 1 : 0);
  }
}

TEST_F(EncodedImagesTest, OffsetsAreSubtracted) {
  const Dataset dataset = open_pictures(1);
  EXPECT_THAT(dataset.classes(), ElementsAre("b"));
  EXPECT_EQ(dataset.read(2).label, 0);
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt, [&] { (void)dataset.read(0); }),
              HasSubstr("0.png has the label 0; the 1 classes are 1..1"));
  EXPECT_THAT(
      error_message(ErrorCategory::kUsage, [&] { Dataset(list_pictures(at("set")), 2); }),
      HasSubstr("a labels offset of 2 leaves none of the 2 classes of " + at("set").string()));
}

TEST_F(EncodedImagesTest, NumbersLeaveRoomForFurtherClasses) {
  put("x.png", encode_png(numbered_image(7)));
  put("t.csv", "file,label\nx.png,2\n");
  Dataset dataset(list_pictures(at("t.csv")), 1);
  EXPECT_TRUE(dataset.has_more_classes());
  EXPECT_EQ(dataset.class_count(), 2);
  dataset.name_more_classes(4);
  EXPECT_THAT(dataset.classes(), ElementsAre("1", "2", "3", "4"));
  dataset.name_more_classes(2);
  EXPECT_EQ(dataset.class_count(), 4);
  EXPECT_EQ(dataset.read(0).label, 1);
}

TEST_F(EncodedImagesTest, NamesABrokenPicture) {
  put("set/a/broken.jpg", "GIF89a......");
  const Dataset dataset(list_pictures(at("set")));
  EXPECT_THAT(error_message(ErrorCategory::kUnsupported, [&] { (void)dataset.read(0); }),
              HasSubstr(at("set/a/broken.jpg").string() + ": the 12 bytes"));
}

std::string golden_jpeg(const char* name) {
  for (const GoldenExample& example : golden_examples("pillow", "decode.tfrecord")) {
    if (example.text("name") == name) return example.text("encoded");
  }
  return {};
}

// The two transforms give different pixels; each source has its own by itself.
TEST_F(EncodedImagesTest, EachSourceHasItsDecoder) {
  const std::string jpeg = golden_jpeg("jpeg-progressive-17x23");
  put("set/a/x.jpg", jpeg);
  OutputFile file(at("cifar10_test.tfrecord"));
  TfRecordWriter writer(file);
  writer.write(as_byte_span(serialize_image_example({jpeg, "jpeg", 0, 0, 0})));
  file.finish();
  const Image fast = decode_image(as_byte_span(jpeg), "x", kTensorFlowDecoding);
  const Image accurate = decode_image(as_byte_span(jpeg), "x", kPillowDecoding);
  ASSERT_NE(fast, accurate);
  const PictureList pictures = list_pictures(at("set"));
  EXPECT_EQ(Dataset(pictures).read(0).image, accurate);
  EXPECT_EQ(Dataset(pictures, 0, kTensorFlowDecoding).read(0).image, fast);
  const DatasetSpec& spec = find_dataset_spec("cifar10");
  const std::filesystem::path folder = at("");
  EXPECT_EQ(Dataset(folder, spec, "test").read(0).image, fast);
  EXPECT_EQ(Dataset(folder, spec, "test", 0, kPillowDecoding).read(0).image, accurate);
}

}  // namespace
}  // namespace narrow
