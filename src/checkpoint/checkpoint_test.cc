#include "narrow/checkpoint.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "narrow/error.h"

namespace narrow {
namespace {

TEST(CheckpointFormat, HasANameEach) {
  EXPECT_EQ(to_string(CheckpointFormat::kTensorFlowV2), "tf");
  EXPECT_EQ(to_string(CheckpointFormat::kTensorFlowV1), "tf-v1");
  EXPECT_EQ(to_string(CheckpointFormat::kSafetensors), "safetensors");
  EXPECT_EQ(to_string(CheckpointFormat::kNpz), "npz");
  EXPECT_EQ(to_string(CheckpointFormat::kNpy), "npy");
}

std::string text_of(const std::string& name) {
  const char* root = std::getenv("NARROW_SOURCE_DIR");
  std::ifstream in(std::filesystem::path(root == nullptr ? "." : root) / name);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The words of a title that may be a link.
std::string plain(std::string_view title) {
  if (!title.starts_with('[')) return std::string(title);
  return std::string(title.substr(1, title.find(']') - 1));
}

std::string writing_of(const CheckpointFormatTraits& format) {
  using Writing = CheckpointFormatTraits::Writing;
  if (format.writing == Writing::kYes) return "yes";
  if (format.writing == Writing::kFromSameFormat) return "from " + plain(format.title);
  return "as " + plain(traits_of(format.result).title);
}

TEST(CheckpointFormat, DocumentsListEveryOne) {
  std::string table = "| format | read | write | what to pass |\n| --- | --- | --- | --- |\n";
  std::string list;
  const auto formats = checkpoint_formats();
  for (const CheckpointFormatTraits& format : formats) {
    table +=
        fmt::format("| {} | yes | {} | {} |\n", format.title, writing_of(format), format.paths);
    const bool is_last = &format == &formats.back();
    list += fmt::format("{}{}", list.empty() ? "" : is_last ? " and " : ", ", plain(format.title));
  }
  EXPECT_NE(text_of("docs/formats.md").find("\n" + table + "\n"), std::string::npos)
      << "docs/formats.md has to begin with\n"
      << table;
  std::string readme = text_of("README.md");
  std::ranges::replace(readme, '\n', ' ');
  EXPECT_NE(readme.find("Checkpoints: " + list + " "), std::string::npos)
      << "README.md has to say\nCheckpoints: " << list;
}

// As many tensors as a data set saved as safetensors has.
class NamesOnly : public CheckpointReader {
 public:
  explicit NamesOnly(int count) {
    for (int i = 0; i < count; ++i) infos_.push_back({std::to_string(i), DType::kInt8, {0}});
  }
  [[nodiscard]] const CheckpointLocation& location() const override { return location_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return infos_; }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t) const override { return nullptr; }

 private:
  CheckpointLocation location_;
  std::vector<TensorInfo> infos_;
};

// Comparing names one after another would take minutes.
TEST(CheckpointReader, FindsEachOfManyTensorsByName) {
  constexpr int kCount = 300'000;
  const NamesOnly reader(kCount);
  for (int i = 0; i < kCount; ++i) {
    ASSERT_EQ(reader.find(std::to_string(i)), static_cast<std::size_t>(i));
  }
  EXPECT_EQ(reader.find("x"), std::nullopt);
  EXPECT_EQ(NamesOnly(0).find("0"), std::nullopt);
}

TEST(CreateCheckpoint, DoesNotWriteTensorFlowV1) {
  try {
    create_checkpoint({.format = CheckpointFormat::kTensorFlowV1, .path = "x"}, Overwrite::kNo);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kUnsupported);
  }
}

}  // namespace
}  // namespace narrow
