#include "tasks/network/scales_file.h"

#include <gtest/gtest.h>

#include <cmath>

#include "model/testing/small_checkpoint.h"
#include "narrow/error.h"

namespace narrow {
namespace {

std::vector<double> factors(int count) {
  std::vector<double> all;
  for (int i = 0; i < count; ++i) all.push_back(1.0 / (i + 3));
  return all;
}

TEST(ScalesFile, AreWrittenAndRead) {
  const Graph graph = small_network(10);
  const std::vector<Layer> all = layers(graph);
  ChannelScales scales;
  for (const Layer& layer : all) {
    if (layer.norm) scales[layer.name].output = factors(layer.out_channels);
  }
  for (const ScalePath& path : scalable_paths(graph, all)) {
    scales[path.after->name].input = factors(path.after->in_channels);
  }
  MemoryWriter writer;
  write_scales(scales, writer);
  const ChannelScales found = read_scales(MemoryReader(writer.tensors), graph, all);
  ASSERT_EQ(found.size(), scales.size());
  for (const auto& [layer, expected] : scales) {
    EXPECT_EQ(found.at(layer).output, expected.output);
    EXPECT_EQ(found.at(layer).input, expected.input);
  }
}

TEST(ScalesFile, WhatIsNoScaleIsRefused) {
  const Graph graph = small_network(10);
  const std::vector<Layer> all = layers(graph);
  const auto read = [&](const std::string& name, const std::vector<double>& values, int channels) {
    const MemoryReader reader({memory_tensor(name, DType::kFloat64, {channels}, values)});
    return read_scales(reader, graph, all);
  };
  const std::string conv1 = "resnet_v1_small/conv1";
  const std::vector<double> ones(8, 1.0);
  EXPECT_EQ(read(conv1 + "/output_scale", ones, 8).at(conv1).output, ones);
  EXPECT_THROW(read(conv1 + "/input_scale", ones, 8), Error);
  EXPECT_THROW(read("other/output_scale", ones, 8), Error);
  EXPECT_THROW(read("resnet_v1_small/logits/output_scale", std::vector<double>(10, 1.0), 10),
               Error);
  EXPECT_THROW(read(conv1 + "/output_scale", std::vector<double>(7, 1.0), 7), Error);
  for (const double bad : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    std::vector<double> values = ones;
    values[3] = bad;
    EXPECT_THROW(read(conv1 + "/output_scale", values, 8), Error) << bad;
  }
}

}  // namespace
}  // namespace narrow
