// Batches in pieces: entries of axis 0.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "nn/executor.h"

namespace narrow {

// The first size, which all arrays share. Throws Error(kUnsupported) when they do not.
std::int64_t shared_examples(std::span<const GraphArray> arrays);

// Entries first, first + 1, ... of every array, `count` of them.
GraphArrays take_examples(std::span<const GraphArray> arrays, std::int64_t first,
                          std::int64_t count);

// The outputs of consecutive groups as those of all: one after the other along axis 0; single
// numbers become an axis. There is at least one group.
// Throws Error(kUnsupported) for outputs whose other sizes differ.
GraphArrays join_groups(std::span<const GraphArrays> groups);

// Computes `count` examples in groups of at most `size`, several at once within the limit of
// threads, and joins what comes out.
using RunGroup = std::function<GraphArrays(std::span<const GraphArray> inputs)>;
GraphArrays run_groups(std::span<const GraphArray> inputs, std::int64_t size, const RunGroup& run);

}  // namespace narrow
