#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/bytes.h"
#include "base/testing/expected_error.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  FileTest() : dir_(fs::path(testing::TempDir()) / fs::path("narrow_file_XXXXXX")) {
    std::string name = dir_.string();
    dir_ = ::mkdtemp(name.data());
  }
  ~FileTest() override { fs::remove_all(dir_); }
  fs::path dir_;
};

TEST_F(FileTest, ReadsWhatWasWritten) {
  std::string text;
  for (int i = 0; i < 200000; ++i) text += std::to_string(i) + ",";
  OutputFile out(dir_ / "a");
  out.write(std::string_view(text).substr(0, 10));
  out.write(std::string_view(text).substr(10, 700000));
  out.write(std::string_view(text).substr(700010));
  out.finish();
  EXPECT_EQ(out.bytes_written(), text.size());
  EXPECT_EQ(read_small_file(dir_ / "a", text.size()), text);
  const InputFile in(dir_ / "a");
  std::string part(9, ' ');
  in.read_at(500, std::as_writable_bytes(std::span(part)));
  EXPECT_EQ(part, text.substr(500, 9));
}

TEST_F(FileTest, NamesWhatIsWrong) {
  EXPECT_EQ(category_of([&] { InputFile in(dir_ / "missing"); }), ErrorCategory::kNotFound);
  EXPECT_EQ(category_of([&] { InputFile in(dir_); }), ErrorCategory::kUnsupported);
  EXPECT_EQ(category_of([&] { InputFile in("/dev/null"); }), ErrorCategory::kUnsupported);
  std::ofstream(dir_ / "short") << "abc";
  EXPECT_EQ(category_of([&] { (void)read_small_file(dir_ / "short", 2); }),
            ErrorCategory::kCorrupt);
  const InputFile in(dir_ / "short");
  std::byte out[2];
  EXPECT_EQ(category_of([&] { in.read_at(2, out); }), ErrorCategory::kCorrupt);
  EXPECT_EQ(category_of([&] { in.read_at(~std::uint64_t{0}, out); }), ErrorCategory::kCorrupt);
  EXPECT_EQ(category_of([&] { OutputFile file(dir_ / "short"); }), ErrorCategory::kIo);
}

TEST_F(FileTest, MakesDirectories) {
  EXPECT_TRUE(make_directory(dir_ / "a" / "b"));
  EXPECT_FALSE(make_directory(dir_ / "a" / "b"));
  EXPECT_TRUE(fs::is_directory(dir_ / "a" / "b"));
  std::ofstream(dir_ / "file") << "abc";
  EXPECT_EQ(category_of([&] { make_directory(dir_ / "file" / "c"); }), ErrorCategory::kIo);
  EXPECT_EQ(category_of([&] { make_directory(dir_ / "file"); }), ErrorCategory::kIo);
}

TEST_F(FileTest, ReportsAFullDisk) {
  // A file size limit gives the same failing write as a full disk does.
  rlimit old_limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 1000, .rlim_max = old_limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto category = category_of([&] {
    OutputFile out(dir_ / "large");
    out.write(std::string(5000, 'x'));
    out.finish();
  });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  EXPECT_EQ(category, ErrorCategory::kIo);
}

bool can_reserve(const fs::path& path) {
  const FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return ::fallocate(fd.get(), FALLOC_FL_KEEP_SIZE, 0, 1) == 0;
}

TEST_F(FileTest, ReservesRoomAndGivesBackWhatIsLeft) {
  OutputFile out(dir_ / "part");
  out.reserve(std::uint64_t{1} << 20);
  out.write("abc");
  out.finish();
  struct stat info {};
  ASSERT_EQ(::stat((dir_ / "part").c_str(), &info), 0);
  EXPECT_EQ(info.st_size, 3);
  EXPECT_LT(info.st_blocks * 512, 1 << 19);
  EXPECT_EQ(read_small_file(dir_ / "part", 3), "abc");

  OutputFile full(dir_ / "full");
  const auto reserve = [&] { full.reserve(std::uint64_t{1} << 50); };
  if (can_reserve(dir_ / "part")) {
    EXPECT_EQ(category_of(reserve), ErrorCategory::kIo);
  } else {
    EXPECT_NO_THROW(reserve());
  }
}

TEST_F(FileTest, SeveralWritersFillOneFile) {
  using Existing = ScatteredOutputFile::Existing;
  ScatteredOutputFile first(dir_ / "shared", Existing::kKeep);
  ScatteredOutputFile second(dir_ / "shared", Existing::kKeep);
  first.reserve(0, 1 << 16);
  second.write_at(3, as_byte_span("def"));
  first.write_at(0, as_byte_span("abc"));
  first.finish();
  second.write_at(6, as_byte_span("too much"));
  second.resize(6);
  second.finish();
  EXPECT_EQ(read_small_file(dir_ / "shared", 6), "abcdef");
  EXPECT_THROW(ScatteredOutputFile(dir_ / "shared"), Error);
}

}  // namespace
}  // namespace narrow
