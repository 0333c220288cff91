// Copies a checkpoint into another container: with other names, types and orders of axes, and
// without what is not wanted there. docs/convert.md has the rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/overwrite.h"
#include "narrow/run_options.h"
#include "narrow/selection.h"

namespace narrow {

// The order of the axes of kernels and dense weights. Tensors are known as such by the last part of
// their name, old or new: kernel, weights, weight and a few more.
enum class AxisOrder : std::uint8_t {
  kAsStored,
  kTorch,       // [out, in, kh, kw], depthwise [C * M, 1, kh, kw], dense [out, in]
  kTensorFlow,  // [kh, kw, in, out], depthwise [kh, kw, C, M], dense [in, out]
};

// In a name every match of `pattern`, a regular expression in the syntax of RE2
// (https://github.com/google/re2/wiki/Syntax), becomes `text`, in which $0 is the match, $1 to $9
// its groups and $$ a dollar sign.
struct RenameRule {
  std::string pattern;
  std::string text;
};

// "REGEX=>TEXT", of which the last "=>" counts. Throws Error(kUsage) without one, for what is no
// regular expression and for a group that it does not have.
NARROW_EXPORT RenameRule parse_rename_rule(std::string_view text);

// New names by the old ones: lines OLD<tab>NEW. Throws Error(kCorrupt) for other lines and for a
// name that comes twice; what reading the file throws.
NARROW_EXPORT std::map<std::string, std::string> read_name_table(const std::filesystem::path& path);

struct ConvertOptions {
  std::vector<std::string> include = {};  // shell patterns over old names; empty: all tensors
  std::vector<std::string> exclude = {};
  bool drop_training_state = false;  // all of it but the moving statistics of batch norm
  // Averages take the place of their variables, those of moving statistics too.
  bool moving_averages = false;
  std::optional<DType> cast = {};                 // of floating-point tensors
  std::map<std::string, std::string> names = {};  // final: rules do not change them
  std::vector<RenameRule> renames = {};           // one after the other
  AxisOrder layout = AxisOrder::kAsStored;        // from that of the other framework
};

struct ConvertedTensor {
  std::size_t index = 0;  // in the checkpoint that is read
  TensorInfo before;
  TensorInfo after;
  // Axis i of the result is axes[i] of `before`; of a depthwise kernel, after.shape has the same
  // elements in that order under other axes. Empty: as stored.
  std::vector<std::size_t> axes = {};
};

struct ConvertPlan {
  std::vector<ConvertedTensor> tensors;                      // in the order of writing
  std::vector<std::pair<std::string, CopyReason>> left_out;  // names, why
  std::vector<std::string> notes;                            // sentences worth reading
};

// What becomes of each tensor; reads no values. Throws Error: kNotFound for a pattern that matches
// none, kUsage when two tensors get one name, nothing is left, or moving averages are asked for
// where none are.
NARROW_EXPORT ConvertPlan plan_conversion(const CheckpointReader& reader,
                                          const ConvertOptions& options);

// The part of `plan` that `target`, a network in a file, has under the new names, in its order and
// with its types; the notes name the rest. Throws Error: kNotFound when that is nothing,
// kUnsupported when a shape is another or a type cannot become that of `target`.
NARROW_EXPORT ConvertPlan fit_into(ConvertPlan plan, const CheckpointReader& target);

// Runs the plan in pieces of bounded memory; a tensor whose axes are exchanged is held whole.
// Values are rounded to a type once, nearest-even; gives how many finite ones became infinite by
// that. `writer` gets every tensor of the plan and the caller calls finish(). Progress is in bytes.
// Throws Error(kInterrupted) and what reader and writer throw.
NARROW_EXPORT std::uint64_t convert_checkpoint(const CheckpointReader& reader,
                                               const ConvertPlan& plan, CheckpointWriter& writer,
                                               const RunOptions& run = {});

}  // namespace narrow
