// The constants of one block after the other.
#pragma once

#include "quant/blocks/block_fit.h"
#include "quant/blocks/codebook_tables.h"
#include "quant/blocks/float_steps.h"

namespace narrow {

// Owns the tables that the constants of a codebook refer to: they are valid until the next call.
class LocalBlock {
 public:
  LocalBlock() = default;
  ~LocalBlock() = default;
  LocalBlock(LocalBlock&&) = default;
  LocalBlock& operator=(LocalBlock&&) = default;
  LocalBlock(const LocalBlock&) = delete;
  LocalBlock& operator=(const LocalBlock&) = delete;

  // For any values and codes: see block_constants.
  const BlockConstants& of(const Scheme& scheme, const BlockParams& params) {
    constants_ = scheme.kind == SchemeKind::kCodebook ? codebook(scheme, params)
                                                      : block_constants(scheme, params);
    return constants_;
  }
  // For the `count` values that were fitted.
  const BlockConstants& fitted(const Scheme& scheme, const BlockParams& params,
                               std::uint64_t count) {
    of(scheme, params);
    constants_.fitted = !params.clips;
    constants_.overflows = constants_.overflows && params.clips;
    if (constants_.fitted && float_steps_pay(scheme.bits, count)) {
      constants_.float_steps = find_float_steps(scheme, params, constants_);
    }
    return constants_;
  }
  [[nodiscard]] const BlockConstants& constants() const { return constants_; }

 private:
  BlockConstants codebook(const Scheme& scheme, const BlockParams& params) {
    tables_ = CodebookTables(scheme.bits, 1);
    tables_.set(0, params.levels);
    return tables_.constants(0);
  }

  CodebookTables tables_;
  BlockConstants constants_;
};

}  // namespace narrow
