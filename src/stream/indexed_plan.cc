#include "stream/indexed_plan.h"

namespace narrow {

QuantizePlan indexed_plan(const CheckpointReader& reader, std::span<const std::size_t> indices,
                          const Scheme& scheme, const AxisRules& axes) {
  QuantizePlan plan;
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) plan.push_back({i, std::nullopt});
  for (const std::size_t index : indices) {
    plan[index].scheme =
        with_channel_axes(scheme, reader.tensors()[index], reader.location().format, axes);
  }
  return plan;
}

}  // namespace narrow
