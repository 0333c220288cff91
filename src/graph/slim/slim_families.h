// TF-Slim's networks, a function a family. Each takes the name of one of its networks, the number
// of classes and whether the network is to be trained, and gives a graph from [N, 3, height, width]
// to logits [N, classes]; for training also to those of an auxiliary head, and with Dropout.
// The logits' biases are the last weight. The structures are those of
// https://github.com/tensorflow/models/tree/master/research/slim/nets at TensorFlow 1.15.
#pragma once

#include <string_view>

#include "graph/slim/slim_graph.h"

namespace narrow {

struct SlimRequest {
  std::string_view name;  // "mobilenet_v1_025"
  std::string_view scope;
  int class_count = 0;
  bool training = false;
};

// resnet_v2.py: bottleneck units, stride in the last unit of a block.
SlimGraph make_resnet_v2(const SlimRequest& request);

// vgg.py, alexnet.py, overfeat.py: convolutions, pools, and convolutions in place of fully
// connected layers, which fit one image size only.
SlimGraph make_vgg(const SlimRequest& request);
SlimGraph make_alexnet_v2(const SlimRequest& request);
SlimGraph make_overfeat(const SlimRequest& request);

// inception_v1.py to inception_v4.py, inception_resnet_v2.py. Last pools have the size of what they
// see, as in Slim for images up to the network's size.
SlimGraph make_inception_v1(const SlimRequest& request);
SlimGraph make_inception_v2(const SlimRequest& request);
SlimGraph make_inception_v3(const SlimRequest& request);
SlimGraph make_inception_v4(const SlimRequest& request);
SlimGraph make_inception_resnet_v2(const SlimRequest& request);

// mobilenet_v1.py, mobilenet/mobilenet_v2.py.
SlimGraph make_mobilenet_v1(const SlimRequest& request);
SlimGraph make_mobilenet_v2(const SlimRequest& request);

// cifarnet.py and lenet.py, for images of 32 and 28 pixels.
SlimGraph make_cifarnet(const SlimRequest& request);
SlimGraph make_lenet(const SlimRequest& request);

}  // namespace narrow
