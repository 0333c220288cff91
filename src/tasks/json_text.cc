#include "tasks/json_text.h"

namespace narrow {

nlohmann::ordered_json parse_json(std::string_view text,
                                  const nlohmann::ordered_json::parser_callback_t& callback) {
  return nlohmann::ordered_json::parse(text, callback);
}

nlohmann::json parse_large_object(std::string_view text,
                                  const nlohmann::json::parser_callback_t& callback) {
  return nlohmann::json::parse(text, callback);
}

std::string dump_json(const nlohmann::ordered_json& json, int indent) { return json.dump(indent); }

std::string dump_any_json(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string dump_large_object(const nlohmann::json& json) { return json.dump(); }

}  // namespace narrow
