// Remedies in the program's terms.
#pragma once

#include <string>

#include "narrow/error.h"

namespace narrow {

// What follows the sentence of an error: "; use --force to replace it or choose another output".
// Empty without a remedy.
std::string remedy_text(const Remedy& remedy);

}  // namespace narrow
