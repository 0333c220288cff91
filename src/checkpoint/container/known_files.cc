#include "checkpoint/container/known_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace narrow {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kToNumpy = "load it there and save the arrays with numpy.savez";
constexpr std::string_view kFromPytorch =
    "load it with torch.load(FILE, weights_only=True) and save its tensors with "
    "safetensors.torch.save_file";
constexpr std::string_view kFetchAgain = "fetch the file again";
// Of a file within a file; what is longer is shown in part.
constexpr std::size_t kLongestName = 200;
constexpr std::string_view kNoWeights = "name the checkpoint itself";

struct Signature {
  std::size_t offset;
  std::string_view bytes;
  std::string_view what;
  std::string_view advice;
};

// In the order in which they are tried.
constexpr std::array kSignatures = std::to_array<Signature>({
    {0, "version https://git-lfs.github.com/spec/"sv,
     "a Git LFS pointer, not the file it stands for", "git lfs pull fetches that"},
    {0, "lmgg"sv, "a GGML file of llama.cpp", "name the checkpoint that it was made of"},
    {0, "tjgg"sv, "a GGML file of llama.cpp", "name the checkpoint that it was made of"},
    {0, "\x80\x02"sv, "a Python pickle, perhaps of PyTorch's", kFromPytorch},
    {0, "\x80\x03"sv, "a Python pickle", kToNumpy},
    {0, "\x80\x04"sv, "a Python pickle", kToNumpy},
    {0, "\x80\x05"sv, "a Python pickle", kToNumpy},
    {0, "\x1f\x8b"sv, "compressed with gzip",
     "unpack it first: tar xzf FILE for a .tar.gz or .tgz, else gunzip FILE"},
    {0, "BZh"sv, "compressed with bzip2",
     "unpack it first: tar xjf FILE for a .tar.bz2, else bunzip2 FILE"},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     "compressed with xz", "unpack it first: tar xJf FILE for a .tar.xz, else unxz FILE"},
    {0, "\x28\xb5\x2f\xfd"sv, "compressed with Zstandard",
     "unpack it first: tar --zstd -xf FILE for a .tar.zst, else unzstd FILE"},
    {0, "\x04\x22\x4d\x18"sv, "compressed with LZ4", "unpack it first: unlz4 FILE"},
    {0, "7z\xbc\xaf\x27\x1c"sv, "a 7-Zip archive", "unpack it first: 7z x FILE"},
    {0, "Rar!\x1a\x07"sv, "a RAR archive", "unpack it first: unrar x FILE"},
    {257, "ustar"sv, "a tar archive", "unpack it first: tar xf FILE"},
    {0, "MATLAB 5.0 MAT-file"sv, "a MATLAB file", kToNumpy},
    {0, "\x89PNG\r\n\x1a\n"sv, "a PNG image", kNoWeights},
    {0, "\xff\xd8\xff"sv, "a JPEG image", kNoWeights},
    {0, "GIF8"sv, "a GIF image", kNoWeights},
    {0, "%PDF-"sv, "a PDF document", kNoWeights},
    {0,
     "\x7f"
     "ELF"sv,
     "a program or library", kNoWeights},
    {0, "SQLite format 3\0"sv, "an SQLite database", kNoWeights},
    {0, "PAR1"sv, "a Parquet file", kNoWeights},
    {0, "ARROW1"sv, "an Arrow file", kNoWeights},
    {0, "model_checkpoint_path:"sv, "a TensorFlow state file that is not called 'checkpoint'",
     "name its directory or one of the checkpoints that it lists"},
});

std::string sentence(std::string_view what, std::string_view advice) {
  return fmt::format("is {}; {}", what, advice);
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

// The text of a protobuf field `tag` at the front of `bytes`, which is cut off there; nothing if
// there is no such field or it is longer than a name.
std::optional<std::string_view> take_text(std::string_view* bytes, char tag) {
  if (bytes->size() < 2 || bytes->front() != tag) return std::nullopt;
  const auto length = static_cast<unsigned char>((*bytes)[1]);
  if (length >= 0x80 || length > bytes->size() - 2) return std::nullopt;
  const std::string_view text = bytes->substr(2, length);
  bytes->remove_prefix(2 + std::size_t{length});
  return is_printable(text) ? std::optional(text) : std::nullopt;
}

// A varint at the front of `bytes` is cut off.
void drop_varint(std::string_view* bytes) {
  while (!bytes->empty() && (bytes->front() & 0x80) != 0) bytes->remove_prefix(1);
  if (!bytes->empty()) bytes->remove_prefix(1);
}

// GraphDef: a first node with the name of an operation.
bool is_frozen_graph(std::string_view start) {
  if (!start.starts_with('\x0a')) return false;
  start.remove_prefix(1);
  drop_varint(&start);
  const auto name = take_text(&start, '\x0a');
  const auto operation = take_text(&start, '\x12');
  return name && operation && !operation->empty() &&
         (std::isupper(static_cast<unsigned char>(operation->front())) != 0 ||
          operation->front() == '_');
}

// SavedModel: its version, and a graph that begins with a message.
bool is_saved_model(std::string_view start) {
  if (!start.starts_with("\x08\x01\x12"sv)) return false;
  start.remove_prefix(3);
  drop_varint(&start);
  return start.starts_with('\x0a');
}

// ModelProto: the version of the format, and another of its fields.
bool is_onnx(std::string_view start) {
  constexpr char kNewestVersion = 30;
  constexpr std::string_view kTags = "\x12\x1a\x22\x28\x32\x3a\x42";
  return start.size() > 3 && start[0] == '\x08' && start[1] > 0 && start[1] <= kNewestVersion &&
         kTags.find(start[2]) != std::string_view::npos;
}

// A length and the checksum of it.
bool is_tfrecord(std::string_view start) {
  constexpr std::size_t kLengthBytes = 8;
  if (start.size() < kLengthBytes + sizeof(std::uint32_t)) return false;
  return load_le<std::uint32_t>(start.data() + kLengthBytes) ==
         mask_crc(crc32c(as_byte_span(start.substr(0, kLengthBytes))));
}

bool is_cut_safetensors(std::string_view start, std::uint64_t file_bytes) {
  constexpr std::uint64_t kMostHeaderBytes = 100'000'000;
  if (start.size() < 9 || start[8] != '{') return false;
  const auto header_bytes = load_le<std::uint64_t>(start.data());
  return header_bytes <= kMostHeaderBytes && header_bytes > file_bytes - 8;
}

std::string describe_json(std::string_view text) {
  if (text.find("\"weight_map\"") == std::string_view::npos) {
    return sentence("a JSON file without weights", kNoWeights);
  }
  return sentence("the index of a checkpoint in several files",
                  fmt::format("these are PyTorch's, so {}", kFromPytorch));
}

// A tar archive that begins with one of the members that torch.save wrote.
bool is_pytorch_tar(std::string_view start) {
  constexpr std::size_t kTarMagic = 257;
  constexpr auto kMembers = std::to_array<std::string_view>(
      {"sys_info\0"sv, "pickle\0"sv, "tensors\0"sv, "storages\0"sv});
  return start.size() > kTarMagic && start.substr(kTarMagic).starts_with("ustar") &&
         std::ranges::any_of(kMembers,
                             [&](std::string_view member) { return start.starts_with(member); });
}

// What a text says, or nothing if `start` is no text.
std::optional<std::string> describe_text(std::string_view start) {
  constexpr std::string_view kSpace = " \t\r\n";
  if (start.starts_with("\xef\xbb\xbf")) start.remove_prefix(3);
  start.remove_prefix(std::min(start.find_first_not_of(kSpace), start.size()));
  if (start.empty()) return std::nullopt;
  constexpr std::size_t kLooked = 512;
  const std::string head = lower_case(start.substr(0, kLooked));
  if (head.starts_with("<!doctype html") || head.find("<html") != std::string::npos) {
    return sentence("an HTML page, most likely what a server sent instead of the file",
                    "open it in a browser to see what it says, then fetch the file itself");
  }
  if (head.starts_with("<?xml")) {
    return sentence("an XML file, perhaps what a server sent instead of the file", kFetchAgain);
  }
  if (start.front() == '{' || start.front() == '[') return describe_json(start);
  constexpr std::size_t kLongestLine = 1000;
  constexpr std::size_t kShown = 60;
  const std::string_view line = start.substr(0, start.find_first_of("\r\n"));
  if (line.size() > kLongestLine || !is_printable(line)) return std::nullopt;
  return sentence(fmt::format("a text file that begins with '{}'", line.substr(0, kShown)),
                  kNoWeights);
}

}  // namespace

std::optional<std::string> describe_known_file(const InputFile& file) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 16;
  if (file.size() == 0) return sentence("empty", kFetchAgain);
  std::string start(std::min(file.size(), kMostBytes), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(start)));
  const std::string_view view = start;
  if (is_pytorch_tar(view)) {
    return sentence("a PyTorch file of the form before version 0.1.10", kFromPytorch);
  }
  for (const Signature& known : kSignatures) {
    if (view.size() >= known.offset && view.substr(known.offset).starts_with(known.bytes)) {
      return sentence(known.what, known.advice);
    }
  }
  if (view.find_first_not_of('\0') == std::string_view::npos) {
    return sentence("nothing but zeros, at its beginning at least", kFetchAgain);
  }
  if (is_cut_safetensors(view, file.size())) {
    return sentence("a safetensors file that is cut off within its header", kFetchAgain);
  }
  if (is_tfrecord(view)) {
    return sentence("a TFRecord file: a data set or TensorBoard's events", kNoWeights);
  }
  if (is_saved_model(view)) {
    return sentence("the graph of a SavedModel", "name the directory in which it lies");
  }
  if (is_onnx(view)) {
    return sentence("an ONNX model that is cut off or damaged", kFetchAgain);
  }
  if (is_frozen_graph(view)) {
    return sentence("a graph of TensorFlow's (GraphDef) that is cut off", kFetchAgain);
  }
  return describe_text(view);
}

std::string describe_zip(std::span<const std::string> names) {
  std::string_view foreign;
  for (const std::string& name : names) {
    if (!name.ends_with(".npy") && foreign.empty()) foreign = name;
  }
  return sentence(fmt::format("a ZIP archive, but not one that numpy.savez wrote: {} in it is not "
                              "an NPY array",
                              foreign.substr(0, kLongestName)),
                  "unpack it first: unzip FILE");
}

}  // namespace narrow
