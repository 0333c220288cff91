// What of a checkpoint belongs to training: the one place with the rules.
//
// A name is a path of parts, separated by '/' or '.'; a rule looks at whole parts, wherever in the
// path they stand. state_names_table.h lists the parts; a name that alone says too little
// (".../v") counts only beside the tensor that it would belong to.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "narrow/selection.h"
#include "narrow/tensor.h"
#include "stream/selection/tensor_names.h"

namespace narrow {

struct NamedState {
  CopyReason kind = CopyReason::kNone;  // kOptimizerSlot to kBookkeeping
  std::string_view mark;                // the part of the name that says so
  // Whether names of any kind stand below the mark ("optimizer/...", "ema....").
  bool holds_names = false;
  // Of a moving average: the name of the variable. Empty for what belongs to an average but is none
  // (".../ExponentialMovingAverage/local_step").
  std::string variable = {};
};

// Nothing for a tensor that inference needs. `others` are the tensors of the checkpoint.
std::optional<NamedState> named_state(const TensorInfo& tensor, const TensorNames& others);

// The parts of a pattern or name that are separated by '/' and '.' include `part`.
bool has_part(std::string_view name, std::string_view part);
std::string_view last_part(std::string_view name);

}  // namespace narrow
