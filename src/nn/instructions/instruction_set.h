// Which vector instructions networks are computed with. Sums in float32 depend on it, so that ranks
// on different machines use what all of them have.
#pragma once

#include <cstdint>
#include <string_view>

namespace narrow {

// The sets of the CPU that oneDNN would use, as bits of dnnl::cpu_isa, within the limit that the
// environment sets for it (its page "CPU Dispatcher Control"; `limit`: ONEDNN_MAX_CPU_ISA).
std::uint32_t usable_instruction_sets(std::string_view limit);

// Limits this process to the instructions that all ranks have. Before the first network is made;
// further calls do nothing. All ranks call it. Throws Error(kUnsupported) when it is too late for
// that.
void agree_on_instructions();

}  // namespace narrow
