// The one exception type of the library.
//
// The library never prints and never exits: what goes wrong is thrown as an Error whose text is a
// full sentence for a person: what, where (file, tensor, byte offset), what was found and what was
// expected. What to do is in the sentence or in the Remedy.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "narrow/export.h"

namespace narrow {

enum class ErrorCategory {
  kUsage,        // the request contradicts itself or is out of range
  kNotFound,     // a file, tensor or pattern does not exist
  kCorrupt,      // a file breaks the rules of its format, or a checksum
  kUnsupported,  // valid, but outside what this library does
  kNumeric,      // values that cannot be quantized: NaN, infinity
  kExists,       // a result is already there and replacing it was not asked for
  kIo,           // the operating system refused
  kInterrupted,  // the caller asked to stop
};

// One word for a category, as used in JSON output.
NARROW_EXPORT const char* to_string(ErrorCategory category) noexcept;

// What the caller can do about an error, where something of this library would help. The program
// names the option or command; another one says it in its own terms.
struct Remedy {
  enum class Kind {
    kNone,           // or the sentence says it
    kOverwrite,      // Overwrite::kYes, or another place for the result
    kOtherFormat,    // CheckpointFormat; `detail`: "safetensors or tf"
    kExclude,        // Selection::exclude for the tensor
    kKeepNonFinite,  // NonFinitePolicy::kKeep
    kInspect,        // inspect_checkpoint lists the tensors that are there
    kPack,           // pack_checkpoint makes such a file
    kUnpack,         // unpack_checkpoint gives the values; `detail`: the packed file
    kChannelAxes,    // AxisRules
    kDownload,       // download makes a dataset
  };
  Kind kind = Kind::kNone;
  std::string detail = {};
};

class NARROW_EXPORT Error : public std::runtime_error {
 public:
  Error(ErrorCategory category, const std::string& sentence, Remedy remedy = {})
      : std::runtime_error(sentence), category_(category), remedy_(std::move(remedy)) {}
  [[nodiscard]] ErrorCategory category() const noexcept { return category_; }
  [[nodiscard]] const Remedy& remedy() const noexcept { return remedy_; }

 private:
  ErrorCategory category_;
  Remedy remedy_;
};

}  // namespace narrow
