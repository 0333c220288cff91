#include "nn/example_groups.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/parallel.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// Along axis 0.
Shape with_examples(const Shape& shape, std::int64_t count) {
  Shape result = shape;
  result.front() = count;
  return result;
}

GraphArray join(std::span<const GraphArrays> groups, std::size_t output) {
  GraphArray joined = groups.front()[output];
  const bool is_number = joined.shape.empty();
  std::int64_t examples = 0;
  joined.bytes.clear();
  for (const GraphArrays& group : groups) {
    const GraphArray& part = group[output];
    Shape shape = part.shape;
    if (is_number) shape = {1};
    if (!is_number &&
        (shape.empty() || with_examples(joined.shape, 0) != with_examples(shape, 0))) {
      throw Error(
          ErrorCategory::kUnsupported,
          fmt::format("output {} is {} for one example and {} for another, which do not "
                      "make one array",
                      output, to_string(groups.front()[output].shape), to_string(part.shape)));
    }
    examples += shape.front();
    joined.bytes.insert(joined.bytes.end(), part.bytes.begin(), part.bytes.end());
  }
  joined.shape = is_number ? Shape{examples} : with_examples(joined.shape, examples);
  return joined;
}

}  // namespace

std::int64_t shared_examples(std::span<const GraphArray> arrays) {
  for (const GraphArray& array : arrays) {
    if (array.shape.empty() || array.shape[0] != arrays.front().shape[0]) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("inputs of shapes {} and {} have no number of examples in common",
                              to_string(arrays.front().shape), to_string(array.shape)));
    }
  }
  return arrays.empty() ? 0 : arrays.front().shape[0];
}

GraphArrays take_examples(std::span<const GraphArray> arrays, std::int64_t first,
                          std::int64_t count) {
  GraphArrays taken;
  for (const GraphArray& array : arrays) {
    const std::size_t example = array.bytes.size() / static_cast<std::size_t>(array.shape[0]);
    const auto begin = array.bytes.begin() + static_cast<std::ptrdiff_t>(example) * first;
    taken.push_back({array.type,
                     with_examples(array.shape, count),
                     {begin, begin + static_cast<std::ptrdiff_t>(example) * count}});
  }
  return taken;
}

GraphArrays join_groups(std::span<const GraphArrays> groups) {
  GraphArrays joined;
  for (std::size_t i = 0; i < groups.front().size(); ++i) joined.push_back(join(groups, i));
  return joined;
}

GraphArrays run_groups(std::span<const GraphArray> inputs, std::int64_t size, const RunGroup& run) {
  const std::int64_t count = shared_examples(inputs);
  if (count <= size) return run(inputs);
  std::vector<GraphArrays> groups(static_cast<std::size_t>((count + size - 1) / size));
  parallel_for(groups.size(), [&](std::size_t i) {
    const std::int64_t first = static_cast<std::int64_t>(i) * size;
    groups[i] = run(take_examples(inputs, first, std::min(size, count - first)));
  });
  return join_groups(groups);
}

}  // namespace narrow
