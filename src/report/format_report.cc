#include "report/format_report.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

namespace narrow {
namespace {

bool wraps(const Scheme& scheme) { return scheme.format.overflow == Overflow::kWrap; }

std::string_view what_happened(Overflow overflow) {
  switch (overflow) {
    case Overflow::kZero:
      return "became 0";
    case Overflow::kWrap:
      return "wrapped";
    case Overflow::kSaturate:
    case Overflow::kSymmetric:
      break;
  }
  return "saturated";
}

}  // namespace

void add_overflow_json(const Scheme& scheme, std::uint64_t overflowed,
                       nlohmann::ordered_json& json) {
  if (has_format(scheme)) json[wraps(scheme) ? "wrapped_values" : "saturated_values"] = overflowed;
}

void OverflowColumns::expect(const Scheme& scheme) {
  if (has_format(scheme)) (wraps(scheme) ? wraps_ : saturates_) = true;
}

void OverflowColumns::add_to(Table& table) const {
  if (saturates_) {
    table.columns.push_back({"saturated_values", "saturated", CellStyle::kInteger});
  }
  if (wraps_) table.columns.push_back({"wrapped_values", "wrapped", CellStyle::kInteger});
}

void OverflowColumns::add_to(std::vector<TableCell>& row, const Scheme* scheme,
                             std::uint64_t overflowed) const {
  const bool counts = scheme != nullptr && has_format(*scheme);
  if (saturates_) row.push_back(counts && !wraps(*scheme) ? TableCell(overflowed) : TableCell());
  if (wraps_) row.push_back(counts && wraps(*scheme) ? TableCell(overflowed) : TableCell());
}

std::vector<std::string> overflow_sentences(const std::vector<TensorOverflow>& tensors) {
  constexpr std::array<std::string_view, 3> kEvents = {"saturated", "became 0", "wrapped"};
  std::vector<std::string> sentences;
  for (const std::string_view event : kEvents) {
    std::uint64_t values = 0;
    std::uint64_t count = 0;
    const TensorOverflow* most = nullptr;
    for (const TensorOverflow& tensor : tensors) {
      if (tensor.values == 0 || what_happened(tensor.scheme.format.overflow) != event) continue;
      values += tensor.values;
      ++count;
      if (most == nullptr || tensor.values > most->values) most = &tensor;
    }
    if (count == 0) continue;
    const std::string where = count == 1 ? most->name : fmt::format("{} tensors", count);
    std::string sentence =
        fmt::format("{} value{} of {} {}: the format does not hold {}", values,
                    values == 1 ? "" : "s", where, event, values == 1 ? "it" : "them");
    if (count > 1)
      sentence += fmt::format("; most of them ({}) are in {}", most->values, most->name);
    sentences.push_back(std::move(sentence));
  }
  return sentences;
}

}  // namespace narrow
