// Reads pickles of the protocols 2 to 5 into plain data.
// The opcodes are those of Python's Lib/pickletools.py.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "checkpoint/pytorch/pickle/pickle_value.h"

namespace narrow {

// The pickle at the beginning of `bytes`, which outlive the result; nothing when they end before
// it does. `place` ("member archive/data.pkl of net.pt") and `base_offset`, where in it `bytes`
// begin, are for messages. Memory grows with the pickle, by at most 100 bytes for each of its own,
// and never by what lengths in it say.
// Throws Error: kCorrupt; kUnsupported, with its name and place, for an opcode that torch.save has
// no use for, and for a pickle of more than 4,194,304 values.
std::optional<Pickle> read_pickle(std::string_view bytes, std::uint64_t base_offset,
                                  const std::string& place);

}  // namespace narrow
