// By what parts of a job know that they are of the same input, without reading all of it.
#pragma once

#include <string>

#include "data/encoded_images.h"
#include "narrow/checkpoint.h"

namespace narrow {

// 32 hexadecimal digits of names, types, shapes and the first values of all tensors. Checkpoints
// that differ in later values only have the same.
std::string fingerprint(const CheckpointReader& reader);

// The same of how many images there are, how large their files, and what the first one is.
std::string fingerprint(const EncodedImages& images);

}  // namespace narrow
