#include "checkpoint/onnx/onnx_properties.h"

#include <string_view>

#include "checkpoint/onnx/number_stream.h"

namespace narrow {
namespace {

constexpr std::uint32_t kPropertiesField = 14;  // of ModelProto

void append_property(const std::string& key, const std::string& value,
                     std::vector<std::byte>& out) {
  std::vector<std::byte> entry;
  append_text(1, key, entry);
  append_text(2, value, entry);
  const auto* const text = reinterpret_cast<const char*>(entry.data());
  append_text(kPropertiesField, std::string_view(text, entry.size()), out);
}

}  // namespace

OnnxProperties onnx_properties(const OnnxLayout& layout) {
  OnnxProperties properties;
  for (const OnnxProperty& property : layout.properties) properties[property.key] = property.value;
  return properties;
}

std::vector<OnnxEdit> edit_properties(const OnnxLayout& layout, const OnnxProperties& wanted) {
  std::vector<OnnxEdit> edits;
  const OnnxProperties present = onnx_properties(layout);
  for (const OnnxProperty& property : layout.properties) {
    const auto found = wanted.find(property.key);
    if (found != wanted.end() && found->second == present.at(property.key)) continue;
    OnnxEdit& edit = edits.emplace_back(OnnxEdit{property.field, {}, kNoMessage});
    if (found != wanted.end()) append_property(found->first, found->second, edit.bytes);
  }
  OnnxEdit added{{layout.properties_end, layout.properties_end}, {}, kNoMessage};
  for (const auto& [key, value] : wanted) {
    if (!present.contains(key)) append_property(key, value, added.bytes);
  }
  if (!added.bytes.empty()) edits.push_back(std::move(added));
  return edits;
}

}  // namespace narrow
