// Which word somebody meant who mistyped one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace narrow {

// Number of single-character edits (insertions, deletions, substitutions) between two words.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The first of the `known` words with the fewest edits from `word`, if these are at most a third of
// its length, or 1; else empty.
std::string nearest_word(std::string_view word, const std::vector<std::string>& known);

}  // namespace narrow
