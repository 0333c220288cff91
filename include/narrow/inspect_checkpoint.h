// What is in a checkpoint: tensors, what their values look like, and the network they make.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/graph_table.h"
#include "narrow/run_options.h"

namespace narrow {

// Over the finite values of a tensor; a complex number counts as its two parts.
struct TensorStatistics {
  std::uint64_t count = 0;  // finite values
  double min = 0;
  double max = 0;
  double mean = 0;
  double rms = 0;  // sqrt of the mean square
  std::uint64_t zeros = 0;
  std::uint64_t non_finite = 0;
};

struct TensorInspection {
  TensorInfo info;
  std::uint64_t bytes = 0;                     // for strings: of all elements
  std::optional<TensorStatistics> statistics;  // when asked for; of numbers only
};

// Every tensor in file order. With `with_statistics` all values are read (checksums included), and
// progress is in their bytes. Throws Error from the reader; kInterrupted.
NARROW_EXPORT std::vector<TensorInspection> inspect_checkpoint(const CheckpointReader& reader,
                                                               bool with_statistics,
                                                               const RunOptions& run = {});

// What a network is looked at with. Sizes that the network itself gives need not be here.
struct InputSizes {
  int image_size = 0;  // height and width of images, where these are free; 0: the network's own
  std::map<std::string, Shape> shapes;  // by input; whole shapes
};

// The network whose weights the checkpoint holds; dimensions of which nothing says a size stay
// free. `model_name`: as narrow/evaluate.h has it; empty: the only network there is. Throws Error:
// kNotFound when there is none or a weight is missing, kUsage when there are several, a weight does
// not fit or a shape is of no input, kUnsupported when sizes do not fit or an ONNX file has an
// operator that is not computed.
NARROW_EXPORT GraphTable inspect_graph(const CheckpointReader& reader,
                                       const std::string& model_name, const InputSizes& sizes);

}  // namespace narrow
