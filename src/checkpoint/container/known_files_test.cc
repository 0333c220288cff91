#include "checkpoint/container/known_files.h"

#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "checkpoint/memory_file.h"
#include "checkpoint/npz/zip/zip_writer.h"
#include "checkpoint/testing/flat_checkpoint.h"

namespace narrow {
namespace {

using namespace std::string_literals;

struct KnownCase {
  std::string name;
  std::string content;
  std::string what;
  std::string advice;
};

std::string tfrecord_header() {
  std::string text(12, '\0');
  store_le(text.data(), std::uint64_t{600});
  store_le(text.data() + 8, mask_crc(crc32c(as_byte_span(text).first(8))));
  return text + std::string(100, 'x');
}

std::string with_ending_at(std::size_t offset, const std::string& magic) {
  return std::string(offset, 'x') + magic + std::string(300, '\0');
}

std::vector<KnownCase> cases() {
  const std::string onnx = "\x08\x08\x12\x07pytorch\x1a\x03"s + "2.1:\x05g"s;
  const std::string node = "\x0a\x05input\x12\x0bPlaceholder";
  return {
      {"empty", "", "is empty", "fetch"},
      {"lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 90868376\n",
       "Git LFS pointer", "git lfs pull"},
      {"html", "\xef\xbb\xbf\n <!DOCTYPE html>\n<html></html>", "HTML page", "browser"},
      {"html without a type", "<HTML><body>Sign in</body>", "HTML page", "browser"},
      {"xml", "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "XML", "fetch"},
      {"text", "Entry not found", "text file that begins with 'Entry not found'", "checkpoint"},
      {"PyTorch's shards", R"({"weight_map": {"a": "pytorch_model-1.bin"}})",
       "checkpoint in several files", "safetensors.torch.save_file"},
      {"json", R"({"architectures": ["LlamaForCausalLM"]})", "JSON file without weights", "name"},
      {"gzip", "\x1f\x8b\x08\0\0"s, "gzip", "tar xzf"},
      {"bzip2", "BZh91AY", "bzip2", "tar xjf"},
      {"xz", "\xfd"s + "7zXZ\0\0"s, "xz", "tar xJf"},
      {"zstd", "\x28\xb5\x2f\xfd\0"s, "Zstandard", "unzstd"},
      {"lz4", "\x04\x22\x4d\x18", "LZ4", "unlz4"},
      {"7z", "7z\xbc\xaf\x27\x1c", "7-Zip", "7z x"},
      {"rar", "Rar!\x1a\x07", "RAR", "unrar"},
      {"tar", with_ending_at(257, "ustar"), "tar archive", "tar xf"},
      {"PyTorch's tar", "storages" + with_ending_at(249, "ustar").replace(0, 1, "\0"s), "PyTorch",
       "safetensors.torch.save_file"},
      {"pickle 2", "\x80\x02}q\0."s, "pickle", "torch.load"},
      {"pickle 4", "\x80\x04\x95", "pickle", "numpy.savez"},
      {"matlab", "MATLAB 5.0 MAT-file, Platform: GLNXA64", "MATLAB", "numpy.savez"},
      {"onnx", onnx, "ONNX", "cut off"},
      {"cut graph", "\x0a\x50" + node, "GraphDef", "fetch"},
      {"saved model", "\x08\x01\x12\x80\x10\x0a\x05"s, "SavedModel", "directory"},
      {"tfrecord", tfrecord_header(), "TFRecord", "name"},
      {"png", "\x89PNG\r\n\x1a\n", "PNG image", "name"},
      {"jpeg", "\xff\xd8\xff\xe0", "JPEG image", "name"},
      {"zeros", std::string(100, '\0'), "nothing but zeros", "fetch"},
      {"cut safetensors", "\x10\x27\0\0\0\0\0\0{\"a\":"s, "cut off within its header", "fetch"},
      {"state file", "model_checkpoint_path: \"m\"\n", "state file", "directory"},
  };
}

TEST(KnownFiles, AreToldWhatTheyAreAndWhatToDo) {
  for (const KnownCase& known : cases()) {
    SCOPED_TRACE(known.name);
    const MemoryFile file(as_byte_span(known.content));
    const auto text = describe_known_file(InputFile(file.path()));
    ASSERT_TRUE(text.has_value());
    EXPECT_TRUE(text->starts_with("is ")) << *text;
    EXPECT_NE(text->find(known.what), std::string::npos) << *text;
    EXPECT_NE(text->find(known.advice), std::string::npos) << *text;
    EXPECT_NE(text->find("; "), std::string::npos) << *text;
  }
}

TEST(KnownFiles, AreNotGuessed) {
  for (const std::string& content : {"\x01\x02\x03\x04"s, "\x0a\x03\x01\x02\x03"s,
                                     "\x08\x08\x00\x00"s, "\x80\x01"s, "0123\x01"s}) {
    const MemoryFile file(as_byte_span(content));
    EXPECT_FALSE(describe_known_file(InputFile(file.path())).has_value());
  }
}

// What opening `path` says.
std::string open_error(const std::filesystem::path& path, ErrorCategory category) {
  try {
    open_checkpoint(path);
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), category) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

TEST(KnownFiles, AreNamedByWhoeverOpensThem) {
  const TempFolder folder;
  for (const KnownCase& known : cases()) {
    SCOPED_TRACE(known.name);
    const auto path = folder / "model.safetensors";
    put_file(path, known.content);
    const std::string text = open_error(path, ErrorCategory::kUnsupported);
    EXPECT_TRUE(text.starts_with(path.string() + " is not a checkpoint")) << text;
    EXPECT_NE(text.find(known.what), std::string::npos) << text;
  }
  put_file(folder / "m.index", "version https://git-lfs.github.com/spec/v1\n");
  EXPECT_NE(open_error(folder / "m", ErrorCategory::kCorrupt).find("git lfs pull"),
            std::string::npos);
}

TEST(KnownFiles, ArchivesAreKnownByTheirMembers) {
  struct ArchiveCase {
    std::string member;
    std::string what;
  };
  const TempFolder folder;
  for (const auto& [member, what] :
       {ArchiveCase{"letter.txt", "letter.txt in it is not an NPY array"}}) {
    const auto path = folder / "model.npz";
    OutputFile file(path);
    ZipWriter zip(file);
    zip.begin_member("config.npy", 1);
    zip.write(as_byte_span("x"s));
    zip.begin_member(member, 1);
    zip.write(as_byte_span("x"s));
    zip.finish();
    const std::string text = open_error(path, ErrorCategory::kUnsupported);
    EXPECT_NE(text.find(what), std::string::npos) << text;
    std::filesystem::remove(path);
  }
}

}  // namespace
}  // namespace narrow
