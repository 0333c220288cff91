// The network whose variables a checkpoint holds.
#pragma once

#include <string>
#include <string_view>

#include "graph/graph.h"
#include "graph/slim/slim_networks.h"
#include "graph/weight_source.h"
#include "narrow/checkpoint.h"

namespace narrow {

// A checkpoint as the source of a network's weights; numbers of every floating-point type are
// converted to float32.
class CheckpointVariables : public WeightSource {
 public:
  // The reader must outlive this. With `moving_averages` a variable NAME is read from
  // NAME/ExponentialMovingAverage.
  CheckpointVariables(const CheckpointReader& reader, bool moving_averages)
      : reader_(reader), suffix_(moving_averages ? "/ExponentialMovingAverage" : "") {}

  [[nodiscard]] std::optional<TensorInfo> find(std::string_view name) const override;
  void read(std::string_view name, std::span<float> values) const override;

 private:
  [[nodiscard]] std::optional<std::size_t> index_of(std::string_view name) const;

  const CheckpointReader& reader_;
  std::string suffix_;
};

// The only scope S for which the checkpoint has S/conv1/weights and S/logits/weights, or the name
// of another network of TF-Slim in whose scope it has variables (of those that share a scope, such
// as MobilenetV1, the one that all of them fit); of an ONNX file the name of its graph. Throws
// Error(kNotFound) when there is none, Error(kUsage) naming them when there are several, what
// onnx_network throws.
std::string find_network_scope(const CheckpointReader& reader);

// The network of Slim that the name means or, when it is empty, that the checkpoint holds. Null
// when that is none or an ONNX file's.
const SlimNetwork* slim_network_of(const CheckpointReader& reader, const std::string& name);

// The number of classes of that network, by the last axis of its logits' weights or, when they are
// not there, biases: nothing unless it is 1 to 2^20.
std::optional<int> checkpoint_class_count(const WeightSource& variables, const std::string& scope);

// The network of that scope. One of Slim's names stands for exactly that network, without auxiliary
// head; for any other, units and depths are read off the shapes of the variables, and every block
// but the last ends with stride 2, as in Slim's networks. Whether all variables fit is for
// check_weights to say. An ONNX file has the graph that it says itself, whatever the number of
// classes. Throws Error(kNotFound) when there are no such variables or the graph has another name,
// Error(kUsage) as make_resnet_v1 does, what onnx_network throws.
Graph network_of_checkpoint(const CheckpointReader& reader, const WeightSource& variables,
                            const std::string& scope, int class_count);

// The network of that name or, when it is empty, the only one that the checkpoint holds, with as
// many classes as its logits have. Throws what the functions above throw.
Graph held_network(const CheckpointReader& reader, const WeightSource& variables,
                   const std::string& name);

// A whole tensor with the numbers as they are stored. Throws Error(kNotFound) when there is none of
// this name, and what reading it throws.
Constant stored_tensor(const CheckpointReader& reader, const std::string& name);

// Whether jobs take its network as a graph of any kind: that of an ONNX file, or another one of
// TF-Slim's than ResNet V1, which has methods of its own.
bool is_any_graph(const CheckpointReader& reader);

// What a sentence calls the file: "an ONNX file" or "a checkpoint of lenet". Throws what
// find_network_scope throws.
std::string kind_of_network(const CheckpointReader& reader);

// For jobs that know TF-Slim's variables only: throws Error(kUnsupported) for an ONNX file, saying
// that the job (`who`: "training") does not work on it.
void require_slim_variables(const CheckpointReader& reader, std::string_view who);

// For jobs that know Slim's ResNet V1 only: throws Error(kUnsupported) for an ONNX file and for a
// checkpoint of another network of Slim, saying that the job (`who`: "calibration") does not work
// on its graph.
void require_slim_network(const CheckpointReader& reader, std::string_view who);

}  // namespace narrow
