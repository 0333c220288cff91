#include "checkpoint/safetensors/safetensors_places.h"

#include "base/bytes.h"
#include "base/file.h"
#include "checkpoint/safetensors/safetensors_header.h"

namespace narrow {

SafetensorsPlaces safetensors_places(const std::vector<TensorInfo>& tensors,
                                     const std::map<std::string, std::string>& metadata,
                                     std::size_t alignment) {
  SafetensorsPlaces places;
  places.header = build_safetensors_header(tensors, metadata, alignment);
  places.file_bytes = places.header.size();
  for (const TensorInfo& info : tensors) {
    places.begins.push_back(places.file_bytes);
    places.file_bytes += info.byte_size();
  }
  return places;
}

void complete_safetensors(const std::filesystem::path& path, const SafetensorsPlaces& places) {
  ScatteredOutputFile file(path, ScatteredOutputFile::Existing::kKeep);
  file.write_at(0, as_byte_span(places.header));
  file.resize(places.file_bytes);
  file.finish();
}

}  // namespace narrow
