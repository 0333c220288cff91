// Given fixed-point formats in reports: how many values they cannot represent.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "narrow/scheme.h"
#include "report/table/table.h"

namespace narrow {

// Adds "wrapped_values" or "saturated_values", whichever the format makes of `overflowed` values.
void add_overflow_json(const Scheme& scheme, std::uint64_t overflowed,
                       nlohmann::ordered_json& json);

// The columns "saturated_values" and "wrapped_values" of a table, each when a scheme has such a
// format.
class OverflowColumns {
 public:
  void expect(const Scheme& scheme);
  // At the end of the table's columns, and of a row; null: the row has no scheme.
  void add_to(Table& table) const;
  void add_to(std::vector<TableCell>& row, const Scheme* scheme, std::uint64_t overflowed) const;

 private:
  bool saturates_ = false;
  bool wraps_ = false;
};

// One tensor and the values that its format cannot represent.
struct TensorOverflow {
  const std::string& name;
  const Scheme& scheme;
  std::uint64_t values;
};
// A sentence for each thing that happened: "3 values of 2 tensors saturated: the format does not
// hold them; most of them (2) are in b". None when no value overflowed.
std::vector<std::string> overflow_sentences(const std::vector<TensorOverflow>& tensors);

}  // namespace narrow
