#include "base/special_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <span>
#include <string>
#include <thread>

#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

class SpecialFileTest : public testing::Test {
 protected:
  SpecialFileTest() {
    std::string name = (fs::path(testing::TempDir()) / "narrow_special_XXXXXX").string();
    dir_ = ::mkdtemp(name.data());
    std::ofstream(dir_ / "file") << "abc";
    ::mkfifo((dir_ / "fifo").c_str(), 0600);
    fs::create_directory(dir_ / "folder");
    fs::create_symlink("/dev/null", dir_ / "to_null");
    fs::create_symlink("file", dir_ / "to_file");
    fs::create_symlink("nothing", dir_ / "to_nothing");
    fs::create_symlink("/dev/stdout", dir_ / "to_stdout");
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (dir_ / "socket").string().copy(address.sun_path, sizeof(address.sun_path) - 1);
    is_socket_there_ =
        ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;  // NOLINT
    ::close(fd);
  }
  ~SpecialFileTest() override { fs::remove_all(dir_); }

  fs::path dir_;
  bool is_socket_there_ = false;
};

std::string sentence_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string contents(const InputFile& file) {
  std::string text(file.size(), ' ');
  file.read_at(0, std::as_writable_bytes(std::span(text)));
  return text;
}

struct Pipe {
  Pipe() { EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0); }
  ~Pipe() {
    ::close(ends[0]);
    if (ends[1] >= 0) ::close(ends[1]);
  }
  void put_and_end(std::string_view text) {
    EXPECT_EQ(write_fully(ends[1], text), 0);
    ::close(std::exchange(ends[1], -1));
  }
  [[nodiscard]] std::string path() const { return "/dev/fd/" + std::to_string(ends[0]); }
  std::array<int, 2> ends{};
};

TEST_F(SpecialFileTest, KnowsDescriptorsByAnyName) {
  EXPECT_EQ(named_descriptor("/dev/stdin"), 0);
  EXPECT_EQ(named_descriptor("/dev/stdout"), 1);
  EXPECT_EQ(named_descriptor("/dev/fd/63"), 63);
  EXPECT_EQ(named_descriptor("/proc/self/fd/7"), 7);
  EXPECT_EQ(named_descriptor("/proc/" + std::to_string(::getpid()) + "/fd/2"), 2);
  EXPECT_EQ(named_descriptor(dir_ / "to_stdout"), 1);
  for (const char* other : {"file", "to_file", "to_null", "to_nothing", "nothing", "fifo"}) {
    EXPECT_EQ(named_descriptor(dir_ / other), std::nullopt) << other;
  }
}

TEST_F(SpecialFileTest, ARegularFileMayBeReplacedAndNothingElse) {
  for (const char* good : {"file", "to_file", "to_nothing", "nothing", "no/folder"}) {
    EXPECT_NO_THROW(refuse_special_target(dir_ / good)) << good;
  }
  const auto sentence = [&](const fs::path& path) {
    return sentence_of([&] { refuse_special_target(path); });
  };
  EXPECT_NE(sentence(dir_ / "fifo").find("is a pipe, but"), std::string::npos);
  EXPECT_NE(sentence(dir_ / "to_null").find("is a character device, but"), std::string::npos);
  EXPECT_NE(sentence(dir_ / "folder").find("is a directory, but"), std::string::npos);
  EXPECT_NE(sentence(dir_ / "to_stdout").find("is an open descriptor, but"), std::string::npos);
  EXPECT_NE(sentence("-").find("is standard output, but"), std::string::npos);
  if (is_socket_there_) {
    EXPECT_NE(sentence(dir_ / "socket").find("is a socket, but"), std::string::npos);
  }
}

TEST_F(SpecialFileTest, WritesIntoPipesAndDevices) {
  for (const char* file : {"file", "to_file", "nothing"}) {
    EXPECT_FALSE(OutputStream::is_stream(dir_ / file)) << file;
  }
  EXPECT_TRUE(OutputStream::is_stream(dir_ / "to_null"));
  EXPECT_THROW(OutputStream::is_stream(dir_ / "folder"), Error);
  OutputStream(dir_ / "to_null").write("gone");
  ASSERT_TRUE(OutputStream::is_stream(dir_ / "fifo"));
  auto reader = std::async(std::launch::async, [&] { return contents(InputFile(dir_ / "fifo")); });
  const std::string text(300000, 'x');
  OutputStream(dir_ / "fifo").write(text);
  EXPECT_EQ(reader.get(), text);
  const auto full = [] { OutputStream("/dev/full").write("abc"); };
  EXPECT_NE(sentence_of(full).find("cannot write to /dev/full: No space"), std::string::npos);
}

TEST_F(SpecialFileTest, WritesIntoAnOpenDescriptorFromWhereItStands) {
  const int fd = ::open((dir_ / "file").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  const fs::path path = "/dev/fd/" + std::to_string(fd);
  ASSERT_TRUE(OutputStream::is_stream(path));
  OutputStream(path).write("def");
  ::close(fd);
  EXPECT_EQ(contents(InputFile(dir_ / "file")), "abcdef");
  const int read_only = ::open((dir_ / "file").c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_THROW(OutputStream("/dev/fd/" + std::to_string(read_only)), Error);
  ::close(read_only);
}

TEST_F(SpecialFileTest, APipeIsReadOnceForAllWhoOpenIt) {
  Pipe pipe;
  std::string text(40000, 'a');
  text += "end";
  pipe.put_and_end(text);
  EXPECT_TRUE(is_input_stream(pipe.path()));
  const InputFile first(pipe.path());
  const InputFile second(pipe.path());
  EXPECT_TRUE(first.is_from_pipe());
  EXPECT_EQ(contents(first), text);
  EXPECT_EQ(contents(second), text);
  EXPECT_FALSE(InputFile(dir_ / "file").is_from_pipe());
}

TEST_F(SpecialFileTest, AnEmptyPipeIsAnEmptyFile) {
  Pipe pipe;
  pipe.put_and_end("");
  EXPECT_EQ(InputFile(pipe.path()).size(), 0U);
}

TEST_F(SpecialFileTest, AFifoIsReadAnewWhenNobodyHoldsIt) {
  for (const std::string text : {"one", "two"}) {
    std::thread writer([&] { OutputStream(dir_ / "fifo").write(text); });
    EXPECT_EQ(contents(InputFile(dir_ / "fifo")), text);
    writer.join();
  }
}

TEST_F(SpecialFileTest, ASocketIsReadThroughItsDescriptor) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  EXPECT_EQ(write_fully(ends[1], "through a socket"), 0);
  ::close(ends[1]);
  EXPECT_EQ(contents(InputFile("/dev/fd/" + std::to_string(ends[0]))), "through a socket");
  ::close(ends[0]);
}

TEST_F(SpecialFileTest, ADeviceIsNoInput) {
  const auto sentence = sentence_of([] { InputFile file("/dev/zero"); });
  EXPECT_NE(sentence.find("/dev/zero is a character device, but"), std::string::npos);
  EXPECT_THROW(InputFile(dir_ / "folder"), Error);
}

}  // namespace
}  // namespace narrow
