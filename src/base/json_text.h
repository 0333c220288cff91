// JSON from text and back, in one place: every file that instantiates the parser or the serializer
// takes long to compile.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace narrow {

// As nlohmann::ordered_json::parse: throws nlohmann::ordered_json::exception, of which parse_error
// knows the byte.
nlohmann::ordered_json parse_json(std::string_view text);

// The same of an object with many members: those of an ordered one are found one after another.
// Of a name that comes twice the last value counts, as above.
nlohmann::json parse_large_object(std::string_view text);

// Whether lists and objects lie in one another deeper than `most`, before anything is parsed. (The
// parser can do this, too, but then looks through all values before each list or object that ends.)
bool nests_deeper(std::string_view text, int most);

// As nlohmann::ordered_json::dump: throws its type_error for text that is not UTF-8.
std::string dump_json(const nlohmann::ordered_json& json, int indent = -1);
// The same with U+FFFD for bytes that are not UTF-8: where a name only informs.
std::string dump_any_json(const nlohmann::ordered_json& json, int indent = -1);
std::string dump_large_object(const nlohmann::json& json);

}  // namespace narrow
