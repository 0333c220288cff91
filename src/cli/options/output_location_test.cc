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

TEST(OutputLocation, SeveralFilesGoIntoADirectory) {
  const CheckpointLocation input{Format::kSafetensorsShards, "in/net.safetensors.index.json"};
  const auto path = [&](const char* output) {
    return output_location(input, Format::kSafetensorsShards, output, "bin_8bits").path;
  };
  EXPECT_EQ(path(""), "in/bin_8bits/net.safetensors.index.json");
  EXPECT_EQ(path("new"), "new/net.safetensors.index.json");
  EXPECT_EQ(path("new/"), "new/net.safetensors.index.json");
  EXPECT_EQ(path("new/b.safetensors.index.json"), "new/b.safetensors.index.json");
  EXPECT_EQ(output_location(input, Format::kNpz, "new/", "d").path, "new/net.npz");
  EXPECT_THROW(path("new.safetensors"), Error);
}

TEST(FormatOfOutput, IsThatOfTheExtension) {
  const auto format = [](const char* output) { return format_of_output(output, Format::kNpy); };
  EXPECT_EQ(format("a.v2.safetensors"), Format::kSafetensors);
  EXPECT_EQ(format("a.safetensors.index.json"), Format::kSafetensorsShards);
  EXPECT_EQ(format("d/a.npz"), Format::kNpz);
  for (const char* prefix :
       {"model", "model.ckpt", "model.ckpt-5000", "resnet_v1.5", "d.x/model"}) {
    EXPECT_EQ(format(prefix), Format::kTensorFlowV2) << prefix;
  }
  EXPECT_EQ(format("new/"), Format::kNpy);
  EXPECT_EQ(format_of_output("new/", Format::kTensorFlowV1), Format::kTensorFlowV2);
  EXPECT_THROW(format("a.safetensor"), Error);
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
