#include "checkpoint/tflite/tflite_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>

namespace narrow {
namespace {

constexpr std::int32_t kDequantize = 6;
constexpr std::int32_t kDensify = 124;
constexpr std::int32_t kBatchMatMul = 126;
// Fields of Operator.
constexpr unsigned kOpcodeIndex = 0;
constexpr unsigned kInputs = 1;
constexpr unsigned kOutputs = 2;
constexpr unsigned kOptions = 4;

// Inputs [first, last] of an operator are weights.
struct WeightRule {
  std::int32_t code;  // BuiltinOperator
  unsigned first;
  unsigned last;
  int axis;  // of the outputs; negative from the last
  std::size_t least_rank = 2;
  std::size_t most_rank = SIZE_MAX;
};

constexpr std::array kRules = std::to_array<WeightRule>({
    {3, 1, 1, 0, 4},      // CONV_2D
    {4, 1, 1, 3, 4},      // DEPTHWISE_CONV_2D
    {7, 1, 1, 0},         // EMBEDDING_LOOKUP
    {9, 1, 1, 0},         // FULLY_CONNECTED
    {16, 1, 8, 0},        // LSTM
    {24, 1, 2, 0},        // RNN
    {27, 1, 2, 0},        // SVDF
    {35, 1, 2, 0},        // UNIDIRECTIONAL_SEQUENCE_RNN
    {36, 0, 0, 0, 2, 2},  // GATHER
    {44, 1, 8, 0},        // UNIDIRECTIONAL_SEQUENCE_LSTM
    {67, 1, 1, 0, 4},     // TRANSPOSE_CONV
    {kBatchMatMul, 0, 0, -2},
    {kBatchMatMul, 1, 1, -1},
    {132, 1, 1, 4, 5},  // CONV_3D
    {141, 1, 1, 3, 5},  // CONV_3D_TRANSPOSE
});

class OperatorWalk {
 public:
  OperatorWalk(FlatFile& file, FlatVector operators, std::span<const std::int32_t> codes)
      : file_(file), operators_(operators), codes_(codes) {}

  void mark(const TensorPositions& positions, std::vector<TfliteTensor>& tensors) {
    for (std::uint32_t i = 0; i < operators_.count; ++i) {
      const FlatTable table = operator_at(i);
      const std::int32_t code = code_of(table);
      // An operator comes after those that make its inputs.
      if (code == kDequantize || code == kDensify) note_passage(table);
      for (const WeightRule& rule : kRules) {
        if (rule.code != code) continue;
        const FlatVector inputs = numbers(table, kInputs);
        for (unsigned input = rule.first; input <= rule.last && input < inputs.count; ++input) {
          const auto index = static_cast<std::size_t>(source_of(number(inputs, input)));
          if (index >= positions.size() || positions[index] == kNoTensor) continue;
          mark_tensor(rule, is_transposed(table, code, input), tensors[positions[index]].info);
        }
      }
    }
  }

 private:
  FlatTable operator_at(std::uint32_t index) {
    return FlatTable::at(file_, operators_.offset + 4 * std::uint64_t{index});
  }

  std::int32_t code_of(const FlatTable& table) {
    const auto index = table.scalar<std::uint32_t>(kOpcodeIndex, 0);
    if (index >= codes_.size()) {
      file_.refuse(table.offset(),
                   fmt::format("an operator has the code {} of {}", index, codes_.size()));
    }
    return codes_[index];
  }

  FlatVector numbers(const FlatTable& table, unsigned field) {
    const FlatVector found = table.vector(field, sizeof(std::int32_t));
    file_.charge(found.count * sizeof(std::int32_t));
    return found;
  }

  std::int32_t number(FlatVector numbers, std::uint32_t index) {
    return file_.scalar<std::int32_t>(numbers.offset + 4 * std::uint64_t{index});
  }

  void note_passage(const FlatTable& table) {
    const FlatVector inputs = numbers(table, kInputs);
    const FlatVector outputs = numbers(table, kOutputs);
    if (inputs.count == 0 || outputs.count == 0) return;
    sources_.emplace(number(outputs, 0), source_of(number(inputs, 0)));
  }

  [[nodiscard]] std::int32_t source_of(std::int32_t tensor) const {
    const auto found = sources_.find(tensor);
    return found == sources_.end() ? tensor : found->second;
  }

  // adj_x and adj_y of BatchMatMulOptions.
  static bool is_transposed(const FlatTable& table, std::int32_t code, unsigned input) {
    if (code != kBatchMatMul) return false;
    const auto options = table.table(kOptions);
    return options && options->scalar<std::uint8_t>(input, 0) != 0;
  }

  static void mark_tensor(const WeightRule& rule, bool is_transposed, TensorInfo& info) {
    const std::size_t rank = info.shape.size();
    if (info.use == TensorUse::kWeight) return;  // the first use counts
    if (rank < rule.least_rank || rank > rule.most_rank) return;
    info.use = TensorUse::kWeight;
    const int axis = is_transposed ? -3 - rule.axis : rule.axis;
    info.channel_axis = axis < 0 ? axis + static_cast<int>(rank) : axis;
  }

  FlatFile& file_;
  FlatVector operators_;
  std::span<const std::int32_t> codes_;
  std::unordered_map<std::int32_t, std::int32_t> sources_;  // of what DEQUANTIZE and DENSIFY give
};

}  // namespace

std::vector<std::int32_t> read_operator_codes(FlatFile& file, FlatVector codes) {
  // Before there were more than 127 operators the number was a byte.
  constexpr unsigned kOldCode = 0;
  constexpr unsigned kCode = 3;
  std::vector<std::int32_t> numbers;
  for (std::uint32_t i = 0; i < codes.count; ++i) {
    const FlatTable code = FlatTable::at(file, codes.offset + 4 * std::uint64_t{i});
    numbers.push_back(std::max<std::int32_t>(code.scalar<std::int8_t>(kOldCode, 0),
                                             code.scalar<std::int32_t>(kCode, 0)));
  }
  return numbers;
}

void mark_tflite_weights(FlatFile& file, FlatVector operators, std::span<const std::int32_t> codes,
                         const TensorPositions& positions, std::vector<TfliteTensor>& tensors) {
  OperatorWalk(file, operators, codes).mark(positions, tensors);
}

}  // namespace narrow
