// The parameters of blocks as exports write them: named numbers in digits that read back exactly.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "narrow/scheme.h"

namespace narrow {

struct BlockField {
  std::string_view name;  // "scale"
  std::string (*text)(const BlockParams& params);
};

// All that a code of the scheme needs to become a value; in JSON's notation, a list for levels.
std::span<const BlockField> block_fields(const Scheme& scheme) noexcept;

}  // namespace narrow
