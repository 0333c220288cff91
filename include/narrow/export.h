// What the shared libraries export: every public function, and every public class with members that
// are defined in the library. All other symbols are hidden.
#pragma once

#define NARROW_EXPORT __attribute__((visibility("default")))
