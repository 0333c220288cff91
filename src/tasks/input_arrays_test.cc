#include "tasks/input_arrays.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/expected_error.h"
#include "base/testing/temporary_directory.h"
#include "narrow/error.h"

namespace narrow {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Array {
  TensorInfo info;
  std::vector<std::byte> values;
};

template <typename T>
Array array(const std::string& name, DType dtype, const Shape& shape,
            const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {{name, dtype, shape}, {bytes.begin(), bytes.end()}};
}

Array floats(const std::string& name, const Shape& shape) {
  return array(name, DType::kFloat32, shape, std::vector<float>(element_count(shape), 0.5F));
}

class InputArraysTest : public TemporaryDirectoryTest {
 protected:
  [[nodiscard]] InputArrays open(const std::vector<Array>& arrays) const {
    const std::filesystem::path path = directory() / "inputs.npz";
    const auto writer = create_checkpoint({CheckpointFormat::kNpz, path}, Overwrite::kYes);
    for (const Array& one : arrays) writer->add(one.info);
    for (const Array& one : arrays) writer->write(one.values);
    writer->finish();
    return InputArrays(path);
  }
};

TEST_F(InputArraysTest, ComeInTheOrderOfTheInputs) {
  const InputArrays file =
      open({floats("b", {2, 3}), array<std::int64_t>("labels", DType::kInt64, {2}, {7, -1}),
            array<std::uint8_t>("a", DType::kUInt8, {2}, {3, 4})});
  const std::vector<std::string> inputs = {"a", "b"};
  const auto arrays = file.read(inputs);
  ASSERT_EQ(arrays.size(), 2u);
  EXPECT_EQ(arrays[0].info.name, "a");
  EXPECT_THAT(arrays[0].values, ElementsAre(std::byte{3}, std::byte{4}));
  EXPECT_EQ(arrays[1].info.shape, (Shape{2, 3}));
  EXPECT_EQ(examples_of(arrays), 2u);
  EXPECT_THAT(file.read_labels(2).value(), ElementsAre(7, -1));
}

TEST_F(InputArraysTest, LabelsMayBeMissing) {
  EXPECT_FALSE(open({floats("a", {2})}).read_labels(2).has_value());
}

TEST_F(InputArraysTest, RefusesNamesThatDoNotMatch) {
  const std::vector<std::string> inputs = {"a", "b"};
  EXPECT_THAT(error_message(ErrorCategory::kUsage,
                            [&] {
                              (void)open({floats("a", {1}), floats("c", {1})}).read(inputs);
                            }),
              HasSubstr("has an array c, but the network's inputs are a, b"));
  EXPECT_THAT(
      error_message(ErrorCategory::kNotFound, [&] { (void)open({floats("a", {1})}).read(inputs); }),
      HasSubstr("has no array for the network's input b"));
}

TEST_F(InputArraysTest, RefusesLabelsThatAreNone) {
  const auto refusal = [&](const Array& labels) {
    return error_message(ErrorCategory::kUsage, [&] { (void)open({labels}).read_labels(2); });
  };
  EXPECT_THAT(refusal(array<std::int32_t>("labels", DType::kInt32, {3}, {0, 1, 2})),
              HasSubstr("are int32[3], and not one for each of the 2 examples"));
  EXPECT_THAT(refusal(array<std::int32_t>("labels", DType::kInt32, {2, 1}, {0, 1})),
              HasSubstr("int32[2, 1]"));
  EXPECT_THAT(refusal(floats("labels", {2})), HasSubstr("they have to be integers below 2^63"));
  EXPECT_THAT(refusal(array<std::uint64_t>("labels", DType::kUInt64, {2}, {1, ~std::uint64_t{0}})),
              HasSubstr("integers below 2^63"));
}

TEST_F(InputArraysTest, ExamplesAreTheFirstDimension) {
  const auto refusal = [&](const std::vector<Array>& arrays) {
    std::vector<std::string> inputs;
    for (const Array& one : arrays) inputs.push_back(one.info.name);
    const auto read = open(arrays).read(inputs);
    return error_message(ErrorCategory::kUsage, [&] { (void)examples_of(read); });
  };
  EXPECT_THAT(refusal({floats("a", {2, 2}), floats("b", {3, 2})}),
              HasSubstr("the arrays a and b have 2 and 3 examples"));
  EXPECT_THAT(refusal({floats("a", {})}), HasSubstr("the array a is a single number"));
}

TEST_F(InputArraysTest, TakesNpzFilesOnly) {
  const std::filesystem::path path = directory() / "x.safetensors";
  const auto writer = create_checkpoint({CheckpointFormat::kSafetensors, path}, Overwrite::kNo);
  const Array one = floats("a", {1});
  writer->add(one.info);
  writer->write(one.values);
  writer->finish();
  EXPECT_THAT(error_message(ErrorCategory::kUnsupported, [&] { const InputArrays file(path); }),
              HasSubstr("arrays for a network's inputs come as NPZ"));
  const std::filesystem::path missing = directory() / "missing.npz";
  EXPECT_THAT(error_message(ErrorCategory::kNotFound, [&] { const InputArrays file(missing); }),
              HasSubstr("there is no file " + missing.string() + " of arrays"));
}

}  // namespace
}  // namespace narrow
