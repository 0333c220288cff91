// What is worked out for a step before anything runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nn/integer/quantized_steps.h"

namespace narrow {

// A code, less its zero point, for each code from the format's least one on.
using CodeTable = std::vector<std::int32_t>;

// By operand: of kTable, and of kMove where formats differ, else empty. None for other steps.
// Functions are computed in float32 for every arithmetic; codes that move to another format are
// requantized as the arithmetic says. Throws Error(kUnsupported) naming the node.
std::vector<CodeTable> step_tables(const QuantizedGraph& graph, const QuantizedStep& step);

// The codes of an operand as those of the result. Throws likewise.
CodeTable moved_codes(const QuantizedGraph& graph, const QuantizedStep& step, std::size_t operand);

// Codes of a format as those of another.
CodeTable requantizing_table(const IntegerFormat& from, const IntegerFormat& to);

// Throws Error(kUnsupported) naming the node of a step whose formats the arithmetic cannot take.
void check_arithmetic(const QuantizedGraph& graph, const QuantizedStep& step);

}  // namespace narrow
