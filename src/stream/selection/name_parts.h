// A tensor's name as the path of parts that it is.
#pragma once

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

namespace narrow {

// What TensorFlow 2 puts after the path of a variable in its object.
inline constexpr std::string_view kObjectSuffix = "/.ATTRIBUTES/VARIABLE_VALUE";

inline bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return std::isdigit(static_cast<unsigned char>(c));
  });
}

// "Adam_1" -> "Adam": TensorFlow numbers names that would otherwise be alike.
inline std::string_view without_number(std::string_view part) {
  if (part.empty() || std::isdigit(static_cast<unsigned char>(part.back())) == 0) return part;
  const auto cut = part.rfind('_');
  return cut != std::string_view::npos && is_number(part.substr(cut + 1)) ? part.substr(0, cut)
                                                                          : part;
}

// A name without what says where in an object its values are, and its parts.
class NameParts {
 public:
  explicit NameParts(std::string_view name) : name_(name), path_(name) {
    if (path_.ends_with(kObjectSuffix)) path_.remove_suffix(kObjectSuffix.size());
    const auto colon = path_.rfind(':');  // "kernel:0", as graphs call it
    if (colon != std::string_view::npos && is_number(path_.substr(colon + 1))) {
      path_.remove_suffix(path_.size() - colon);
    }
    parts_.reserve(8);
    std::size_t begin = 0;
    for (std::size_t end = 0; end <= path_.size(); ++end) {
      if (end < path_.size() && path_[end] != '/' && path_[end] != '.') continue;
      if (end > begin) parts_.push_back(path_.substr(begin, end - begin));
      begin = end + 1;
    }
  }

  [[nodiscard]] std::size_t size() const { return parts_.size(); }
  [[nodiscard]] bool empty() const { return parts_.empty(); }
  [[nodiscard]] std::string_view operator[](std::size_t i) const { return parts_[i]; }
  [[nodiscard]] std::string_view last() const { return parts_.back(); }
  [[nodiscard]] bool is_last(std::size_t i) const { return i + 1 == parts_.size(); }

  // What follows the path: "/.ATTRIBUTES/VARIABLE_VALUE", ":0", or nothing.
  [[nodiscard]] std::string_view ending() const { return name_.substr(path_.size()); }

  // What stands before part i.
  [[nodiscard]] std::string before(std::size_t i) const {
    return std::string(name_.substr(0, position(i)));
  }

  // The whole name without part i and the separator that goes with it.
  [[nodiscard]] std::string without(std::size_t i) const {
    const std::size_t begin = position(i);
    const std::size_t end = begin + parts_[i].size();
    if (is_last(i)) {
      return std::string(path_.substr(0, begin > 0 ? begin - 1 : 0)) + std::string(ending());
    }
    return std::string(name_.substr(0, begin)) + std::string(name_.substr(end + 1));
  }

 private:
  [[nodiscard]] std::size_t position(std::size_t i) const {
    return static_cast<std::size_t>(parts_[i].data() - name_.data());
  }

  std::string_view name_;
  std::string_view path_;
  std::vector<std::string_view> parts_;
};

}  // namespace narrow
