#include "base/json_text.h"

namespace narrow {

nlohmann::ordered_json parse_json(std::string_view text) {
  return nlohmann::ordered_json::parse(text);
}

nlohmann::json parse_large_object(std::string_view text) { return nlohmann::json::parse(text); }

bool nests_deeper(std::string_view text, int most) {
  int depth = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_text && c == '\\') {
      ++i;
    } else if (c == '"') {
      in_text = !in_text;
    } else if (!in_text && (c == '[' || c == '{')) {
      if (++depth > most) return true;
    } else if (!in_text && (c == ']' || c == '}')) {
      --depth;
    }
  }
  return false;
}

std::string dump_json(const nlohmann::ordered_json& json, int indent) { return json.dump(indent); }

std::string dump_any_json(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string dump_large_object(const nlohmann::json& json) { return json.dump(); }

}  // namespace narrow
