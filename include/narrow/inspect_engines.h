// What engines would compute in integers of a quantized ONNX file, and what not and why.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/export.h"

namespace narrow {

enum class Engine { kOnnxRuntime, kOpenVino, kTensorRt };
constexpr std::array<Engine, 3> kEngines = {Engine::kOnnxRuntime, Engine::kOpenVino,
                                            Engine::kTensorRt};
// "ONNX Runtime", for people, and "onnxruntime", for programs.
NARROW_EXPORT std::string_view title_of(Engine engine) noexcept;
NARROW_EXPORT std::string_view to_string(Engine engine) noexcept;

struct EngineVerdict {
  bool is_integer = false;
  std::string why;  // of floating point
};

// An operator that takes numbers which stand for codes.
struct EngineNode {
  std::string name;
  std::string op;
  bool is_linear = false;
  std::array<EngineVerdict, kEngines.size()> verdicts;
  // Of a linear layer with codes of 8 bits on both sides: the greatest magnitude that the sum of
  // two products may have when its activations are unsigned, as engines make them. Processors
  // without VNNI add such pairs in 16 bits, which end at 32767. None where pairs are not added so.
  std::optional<std::int64_t> pair_sum;

  [[nodiscard]] bool saturates() const { return pair_sum && *pair_sum > 32767; }
  [[nodiscard]] const EngineVerdict& by(Engine engine) const {
    return verdicts[static_cast<std::size_t>(engine)];
  }
};

struct EngineInspection {
  std::string network;
  std::vector<EngineNode> nodes;  // in the order of execution
};

// By the rules of docs/deploy.md, which are measured for ONNX Runtime 1.32 and OpenVINO 2026.4 on
// x86 and documented for TensorRT 10. `reader` gives codes as they are stored. Throws
// Error(kUnsupported) for what is no ONNX file and for a network without codes; what reading it
// throws.
NARROW_EXPORT EngineInspection inspect_engines(const CheckpointReader& reader);

}  // namespace narrow
