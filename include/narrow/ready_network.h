// A network that stays ready between runs.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/run_network.h"
#include "narrow/tensor.h"

namespace narrow {

// The network of an ONNX file, or the one of TF-Slim whose variables a checkpoint holds. It is read
// once, and made ready again only for arrays of other shapes than the last ones. May be used from
// several threads, which wait for each other.
class NARROW_EXPORT ReadyNetwork {
 public:
  // Of the options all but those about time count; threads 0: all available cores. Throws what
  // run_network throws of the network.
  ReadyNetwork(std::shared_ptr<const CheckpointReader> reader, const RunNetworkOptions& options,
               int threads);
  ~ReadyNetwork();
  ReadyNetwork(ReadyNetwork&&) noexcept;
  ReadyNetwork& operator=(ReadyNetwork&&) noexcept;

  // Of the graph.
  [[nodiscard]] const std::string& name() const;
  // Name, type and shape of every input; dimensions that are free are -1.
  [[nodiscard]] const std::vector<TensorInfo>& inputs() const;
  // The outputs, then what `nodes` names, each name once.
  [[nodiscard]] const std::vector<std::string>& outputs() const;

  // The values of outputs(), in their order, bit for bit those of run_network.
  // Throws what run_network throws of the arrays.
  [[nodiscard]] std::vector<NamedArray> run(std::span<const NamedArray> arrays) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace narrow
