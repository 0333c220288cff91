// The index of safetensors files: what is read of it names files beside it only, and comes back
// from the text that is written of it. As the index of two files that are there, it is opened and
// read.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "checkpoint/container/formats.h"
#include "checkpoint/safetensors/shards/shard_index.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

// A file with one tensor.
std::string safetensors_file(const std::string& tensor) {
  const std::string header =
      "{\"" + tensor + "\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}";
  return std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header + "xx";
}

// A folder with a.safetensors and b.safetensors, which goes with the process.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "narrow_fuzz_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
    for (const std::string tensor : {"a", "b"}) {
      std::ofstream(path_ / (tensor + ".safetensors")) << safetensors_file(tensor);
    }
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] fs::path index() const { return path_ / "m.safetensors.index.json"; }

 private:
  fs::path path_;
};

void check_index(const std::string& text) {
  const ShardIndex index = parse_shard_index(text, "x");
  for (const std::string& file : index.files) {
    if (file.empty() || file == "." || file == ".." || file.find('/') != std::string::npos) {
      std::abort();
    }
  }
  const ShardIndex again = parse_shard_index(build_shard_index(index, 1), "x");
  if (again.files != index.files || again.file_of != index.file_of) std::abort();
  if (again.members != index.members) std::abort();
}

void open_index(const std::string& text) {
  static const Folder folder;
  std::ofstream(folder.index(), std::ios::trunc | std::ios::binary) << text;
  looks_like_shard_index(InputFile(folder.index()));
  const auto reader =
      open_safetensors_shards({CheckpointFormat::kSafetensorsShards, folder.index()});
  for (std::size_t i = 0; i < reader->tensors().size(); ++i) {
    std::string values(reader->tensors()[i].byte_size(), '\0');
    reader->read(i, std::as_writable_bytes(std::span(values)));
    if (values != "xx") std::abort();
  }
}

}  // namespace
}  // namespace narrow

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    narrow::check_index(text);
    narrow::open_index(text);
  } catch (const narrow::Error& error) {
    if (error.what()[0] == '\0') std::abort();
  }
  return 0;
}
