// Shell patterns over tensor names.
#pragma once

#include <fnmatch.h>

#include <string>

namespace narrow {

// * any characters ('/' included), ? one, [..] a set.
inline bool name_matches(const std::string& pattern, const std::string& name) {
  return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

}  // namespace narrow
