// Parses the input as a plan file and applies the plan to a checkpoint.
#include <string_view>

#include "checkpoint/testing/memory_checkpoint.h"
#include "narrow/error.h"
#include "narrow/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const narrow::MemoryReader reader(
      {narrow::memory_tensor("w", narrow::DType::kFloat32, {2, 3}, std::vector<float>(6, 1)),
       narrow::memory_tensor("b", narrow::DType::kFloat32, {3}, std::vector<float>(3, 2))});
  try {
    const auto entries = narrow::parse_plan_file(
        std::string_view(reinterpret_cast<const char*>(data), size), "input");
    narrow::make_plan(entries, reader);
  } catch (const narrow::Error&) {
  }
  return 0;
}
