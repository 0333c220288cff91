// Writing safetensors: the header needs every tensor, so it is written with the first value.
#include <fmt/format.h>

#include "base/utf8.h"
#include "checkpoint/cannot_hold.h"
