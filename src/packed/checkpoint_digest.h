// The digest of a checkpoint, some of whose tensors have been read before.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "packed/content_digest.h"

namespace narrow {

// Of the values of each tensor of a checkpoint, as TensorDigest gives it, where it is known.
using TensorDigests = std::vector<std::optional<Digest128>>;

// checkpoint_digest that reads the other tensors only.
std::string checkpoint_digest(const CheckpointReader& reader, const TensorDigests& known,
                              int threads);

}  // namespace narrow
