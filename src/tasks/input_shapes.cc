#include "tasks/input_shapes.h"

#include <fmt/format.h>

#include <algorithm>

#include "narrow/error.h"

namespace narrow {

void check_names(const InputShapes& shapes, const Graph& graph) {
  for (const auto& shape : shapes) {
    const std::string& name = shape.first;
    const auto has_name = [&](ValueId id) { return graph.value(id).name == name; };
    if (std::ranges::any_of(graph.inputs, has_name)) continue;
    throw Error(ErrorCategory::kUsage,
                fmt::format("a shape is given for {}, which is no input of {}", name, graph.name));
  }
}

}  // namespace narrow
