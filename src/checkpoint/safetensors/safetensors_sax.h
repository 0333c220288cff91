// Reads the JSON of a safetensors header event by event: whatever the nesting or the size, the
// memory used is that of the entries found.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "checkpoint/safetensors/safetensors_header.h"
#include "narrow/error.h"

namespace narrow {

// A name from the file may be as long as the header; a sentence should not.
std::string excerpt(const std::string& text);

// The interface of nlohmann::json_sax. Every event returns whether to go on; after a false,
// problem() says what was wrong, in the words that follow
// "the header of FILE ".
class SafetensorsSax {
 public:
  bool null() { return unexpected("null"); }
  bool boolean(bool) { return unexpected("a truth value"); }
  bool number_integer(std::int64_t value);
  bool number_unsigned(std::uint64_t value);
  bool number_float(double, const std::string& text) { return unexpected("the number " + text); }
  bool string(std::string& text);
  bool binary(nlohmann::json::binary_t&) { return unexpected("binary data"); }
  bool start_object(std::size_t);
  bool key(std::string& text);
  bool end_object();
  bool start_array(std::size_t);
  bool end_array();
  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::json::exception&);

  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] ErrorCategory category() const { return category_; }
  // In the order of the header.
  SafetensorsHeader header;

 private:
  enum class Place { kOutside, kTop, kTopValue, kMetadata, kTensor, kDType, kShape, kOffsets };

  bool unexpected(const std::string& what);
  bool fail(std::string problem, ErrorCategory category = ErrorCategory::kCorrupt);
  bool tensor_key(const std::string& text);
  bool finish_tensor();

  Place place_ = Place::kOutside;
  bool in_array_ = false;
  std::set<std::string> names_;
  std::string key_;
  SafetensorsEntry entry_;
  std::string field_;
  std::set<std::string> fields_;
  std::vector<std::uint64_t> offsets_;
  std::string problem_;
  ErrorCategory category_ = ErrorCategory::kCorrupt;
};

}  // namespace narrow
