#include <fmt/format.h>

#include "narrow/error.h"
#include "narrow/quantize_network.h"

namespace narrow {

std::string_view to_string(Rounding rounding) noexcept {
  switch (rounding) {
    case Rounding::kNearest:
      return "nearest";
    case Rounding::kFlips:
      return "flips";
    case Rounding::kGptq:
      return "gptq";
    case Rounding::kLearned:
      return "learned";
  }
  return "";
}

Rounding parse_rounding(std::string_view name) {
  for (const Rounding rounding :
       {Rounding::kNearest, Rounding::kFlips, Rounding::kGptq, Rounding::kLearned}) {
    if (name == to_string(rounding)) return rounding;
  }
  throw Error(
      ErrorCategory::kUsage,
      fmt::format("there is no rounding '{}'; choose nearest, flips, gptq or learned", name));
}

}  // namespace narrow
