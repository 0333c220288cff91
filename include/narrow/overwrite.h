// Whether a result that is already there may be replaced.
#pragma once

namespace narrow {

enum class Overwrite { kNo, kYes };

}  // namespace narrow
