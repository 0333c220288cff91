#include "narrow/checkpoint.h"

#include <fmt/format.h>

#include <optional>

#include "base/file.h"
#include "base/special_file.h"
