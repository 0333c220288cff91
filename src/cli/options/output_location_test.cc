#include "cli/options/output_location.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;
using Format = CheckpointFormat;

TEST(OutputLocation, DefaultIsADirectoryBesideTheInput) {
  const auto tf = output_location({Format::kTensorFlowV2, "run/model.ckpt-5000"},
                                  Format::kTensorFlowV2, "", "bin_8bits");
  EXPECT_EQ(tf.path, "run/bin_8bits/model.ckpt-5000");
  const auto v1 =
      output_location({Format::kTensorFlowV1, "resnet_v1_50.ckpt"}, Format::kTensorFlowV1, "", "d");
  EXPECT_EQ(v1.path, "d/resnet_v1_50.ckpt");
  EXPECT_EQ(v1.format, Format::kTensorFlowV2);
}

TEST(OutputLocation, TheExtensionFollowsTheFormat) {
  EXPECT_EQ(
      output_location({Format::kSafetensors, "m/net.v2.safetensors"}, Format::kNpz, "", "d").path,
      "m/d/net.v2.npz");
  EXPECT_EQ(output_location({Format::kNpz, "net.npz"}, Format::kTensorFlowV2, "", "d").path,
            "d/net");
  EXPECT_EQ(
      output_location({Format::kTensorFlowV2, "model.ckpt-1"}, Format::kSafetensors, "", "d").path,
      "d/model.ckpt-1.safetensors");
}

TEST(OutputLocation, AnExplicitOutputIsADirectoryOrAName) {
  std::string name = (fs::path(testing::TempDir()) / "narrow_out_XXXXXX").string();
  const fs::path dir = ::mkdtemp(name.data());
  const CheckpointLocation input{Format::kSafetensors, "in/net.safetensors"};
  EXPECT_EQ(output_location(input, Format::kSafetensors, dir.string(), "d").path,
            dir / "net.safetensors");
  EXPECT_EQ(output_location(input, Format::kSafetensors, "new/", "d").path, "new/net.safetensors");
  EXPECT_EQ(output_location(input, Format::kSafetensors, "q.st", "d").path, "q.st");
  fs::remove_all(dir);
}

TEST(OutputLocation, RefusesTheInputItself) {
  std::string name = (fs::path(testing::TempDir()) / "narrow_out_XXXXXX").string();
  const fs::path dir = ::mkdtemp(name.data());
  std::ofstream(dir / "model.index") << "x";
  const CheckpointLocation input{Format::kTensorFlowV2, dir / "model"};
  EXPECT_THROW(output_location(input, Format::kTensorFlowV2, dir.string(), "d"), Error);
  EXPECT_NO_THROW(output_location(input, Format::kTensorFlowV2, (dir / "other").string(), "d"));
  fs::remove_all(dir);
}

TEST(OutputLocation, NamesTheDirectoryByScheme) {
  Scheme scheme;
  EXPECT_EQ(result_directory_name(scheme), "bin_8bits");
  scheme.kind = SchemeKind::kFixedPoint;
  scheme.bits = 4;
  EXPECT_EQ(result_directory_name(scheme), "fixed-point_4bits");
  scheme.scaling = Scaling::kDecimal;
  EXPECT_EQ(result_directory_name(scheme), "fixed-point_4bits_decimal");
  scheme.kind = SchemeKind::kBin;
  scheme.range = parse_range("mse");
  EXPECT_EQ(result_directory_name(scheme), "bin_4bits_mse");
  scheme.granularity = parse_granularity("group:64");
  scheme.range = parse_range("percentile:99.9");
  EXPECT_EQ(result_directory_name(scheme), "bin_4bits_group64_percentile99.9");
}

}  // namespace
}  // namespace narrow
