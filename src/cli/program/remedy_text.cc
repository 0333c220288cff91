#include "cli/program/remedy_text.h"

namespace narrow {

std::string remedy_text(const Remedy& remedy) {
  switch (remedy.kind) {
    case Remedy::Kind::kNone:
      return {};
    case Remedy::Kind::kOverwrite:
      return "; use --force to replace it or choose another output";
    case Remedy::Kind::kOtherFormat:
      return "; --format " + remedy.detail + " can hold it";
    case Remedy::Kind::kExclude:
      return "; leave it out with --exclude";
    case Remedy::Kind::kKeepNonFinite:
      return "; --nonfinite keep copies such tensors unchanged";
    case Remedy::Kind::kInspect:
      return "; narrow inspect lists what is there";
    case Remedy::Kind::kPack:
      return "; make one with narrow pack";
    case Remedy::Kind::kUnpack:
      return "; narrow unpack " + remedy.detail + " -o CKPT restores the checkpoint";
    case Remedy::Kind::kChannelAxes:
      return ", for this tensor alone with --axis GLOB=N";
    case Remedy::Kind::kDownload:
      return "; narrow download makes a dataset";
  }
  return {};
}

}  // namespace narrow
