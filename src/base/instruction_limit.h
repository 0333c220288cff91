// The most that vector kernels may use, by the environment: oneDNN's variable (its page "CPU
// Dispatcher Control") counts for our own kernels too.
#pragma once

#include <cstdint>
#include <string>

namespace narrow {

// The value of ONEDNN_MAX_CPU_ISA, or else DNNL_MAX_CPU_ISA: "AVX2"; empty without one.
std::string instruction_limit();

// Keeps the kernels of Highway within the limit, where it names a set that they know. Before any of
// them is called.
void apply_instruction_limit();

// The targets of Highway that this processor has within the limit; calls choose from them alone.
std::int64_t usable_targets();

// Whether the limit leaves AVX-512 VNNI to a processor that has it.
bool allows_vnni();

}  // namespace narrow
