#include "data/download/download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>

#include "data/testing/golden_data.h"
#include "data/testing/loopback_server.h"

namespace narrow {
namespace {

using ::testing::HasSubstr;

const std::string kBody = [] {
  std::string body;
  for (int i = 0; i < 60000; ++i) body += std::to_string(i * 7919) + ";";
  return body;
}();

class Recorder : public TransferObserver {
 public:
  bool on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit) override {
    last_done = done;
    if (total > 0) last_total = total;
    return done < stop_at;
  }
  void on_source(const std::string& url) override { source = url; }
  void on_retry(const std::string&, std::chrono::milliseconds) override { ++retries; }
  void on_note(const std::string& sentence) override { notes.push_back(sentence); }

  std::uint64_t stop_at = ~std::uint64_t{0};
  std::uint64_t last_done = 0;
  std::uint64_t last_total = 0;
  int retries = 0;
  std::string source;
  std::vector<std::string> notes;
};

class DownloadTest : public TemporaryDirectoryTest {
 protected:
  DownloadTest() {
    write_file(directory() / "reference", kBody);
    digest_ = {DigestAlgorithm::kMd5, digest_file(directory() / "reference").md5};
  }

  [[nodiscard]] DownloadRequest request(const std::string& url) const {
    DownloadRequest request;
    request.url = url;
    request.destination = file();
    request.expected = digest_;
    request.first_wait = std::chrono::milliseconds(1);
    return request;
  }
  [[nodiscard]] std::filesystem::path file() const { return directory() / "sub" / "file"; }
  [[nodiscard]] std::filesystem::path part() const { return directory() / "sub" / "file.part"; }
  void leave_part(std::string_view bytes) const {
    std::filesystem::create_directories(directory() / "sub");
    write_file(part(), bytes);
  }
  [[nodiscard]] std::string content() const { return read_small_file(file(), 1 << 24); }

  Digest digest_;
  Recorder recorder_;
};

TEST_F(DownloadTest, Whole) {
  const LoopbackServer server([](const HttpRequest&) { return HttpReply{.body = kBody}; });
  const DownloadResult result = download(request(server.url("/x")), recorder_);
  EXPECT_EQ(content(), kBody);
  EXPECT_EQ(result.size_bytes, kBody.size());
  EXPECT_EQ(result.resumed_from, 0u);
  EXPECT_EQ(result.digests.md5, digest_.hex);
  EXPECT_EQ(recorder_.last_done, kBody.size());
  EXPECT_EQ(recorder_.last_total, kBody.size());
  EXPECT_EQ(recorder_.source, server.url("/x"));
  EXPECT_FALSE(std::filesystem::exists(part()));
}

TEST_F(DownloadTest, ABrokenConnectionIsContinued) {
  const LoopbackServer server([](const HttpRequest& request) {
    HttpReply reply = serve_range(kBody, request);
    if (!request.range_start || *request.range_start < 200000) reply.cut_after = 100001;
    return reply;
  });
  download(request(server.url("/x")), recorder_);
  EXPECT_EQ(content(), kBody);
  EXPECT_EQ(recorder_.retries, 2);
  EXPECT_EQ(server.requests().at(1).range_start, 100001u);
}

TEST_F(DownloadTest, TheNextRunContinuesAfterAnInterruption) {
  const LoopbackServer server(
      [](const HttpRequest& request) { return serve_range(kBody, request); });
  recorder_.stop_at = 1;
  error_message(ErrorCategory::kInterrupted,
                [&] { download(request(server.url("/x")), recorder_); });
  EXPECT_FALSE(std::filesystem::exists(file()));
  leave_part(std::string_view(kBody).substr(0, 5000));
  recorder_.stop_at = ~std::uint64_t{0};
  const DownloadResult result = download(request(server.url("/x")), recorder_);
  EXPECT_EQ(result.resumed_from, 5000u);
  EXPECT_EQ(content(), kBody);
}

TEST_F(DownloadTest, AServerWithoutRangesStartsOver) {
  const LoopbackServer server([](const HttpRequest&) { return HttpReply{.body = kBody}; });
  leave_part(std::string_view(kBody).substr(0, 5000));
  const DownloadResult result = download(request(server.url("/x")), recorder_);
  EXPECT_EQ(result.resumed_from, 0u);
  EXPECT_EQ(content(), kBody);
  EXPECT_EQ(recorder_.notes.size(), 1u);
}

TEST_F(DownloadTest, AWrongBeginningIsReplacedOnce) {
  const LoopbackServer server(
      [](const HttpRequest& request) { return serve_range(kBody, request); });
  leave_part(std::string(5000, 'x'));
  download(request(server.url("/x")), recorder_);
  EXPECT_EQ(content(), kBody);
  ASSERT_EQ(recorder_.notes.size(), 1u);
  EXPECT_THAT(recorder_.notes[0], HasSubstr("starting over"));
}

TEST_F(DownloadTest, ACompletePartNeedsNoMoreBytes) {
  const LoopbackServer server(
      [](const HttpRequest& request) { return serve_range(kBody, request); });
  leave_part(kBody);
  EXPECT_EQ(download(request(server.url("/x")), recorder_).resumed_from, kBody.size());
  EXPECT_EQ(content(), kBody);
  leave_part(kBody + "more than there is");
  EXPECT_EQ(download(request(server.url("/x")), recorder_).resumed_from, 0u);
  EXPECT_EQ(content(), kBody);
}

TEST_F(DownloadTest, AWrongChecksumLeavesNothing) {
  const LoopbackServer server([](const HttpRequest&) { return HttpReply{.body = kBody + "!"}; });
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt,
                            [&] { download(request(server.url("/x")), recorder_); }),
              HasSubstr(digest_.hex + " is expected"));
  EXPECT_FALSE(std::filesystem::exists(file()));
  EXPECT_FALSE(std::filesystem::exists(part()));
}

TEST_F(DownloadTest, NotFoundIsFinal) {
  const LoopbackServer server([](const HttpRequest&) { return HttpReply{.status = 404}; });
  EXPECT_THAT(error_message(ErrorCategory::kNotFound,
                            [&] { download(request(server.url("/x")), recorder_); }),
              HasSubstr("status 404"));
  EXPECT_EQ(recorder_.retries, 0);
}

TEST_F(DownloadTest, AnOverloadedServerIsAskedAgain) {
  int requests = 0;
  const LoopbackServer server([&](const HttpRequest&) {
    return ++requests < 3 ? HttpReply{.status = 503} : HttpReply{.body = kBody};
  });
  download(request(server.url("/x")), recorder_);
  EXPECT_EQ(content(), kBody);
  EXPECT_EQ(recorder_.retries, 2);
}

TEST_F(DownloadTest, GivesUpAndKeepsWhatItHas) {
  const LoopbackServer server([](const HttpRequest& request) {
    HttpReply reply = serve_range(kBody, request);
    reply.cut_after = 10;
    return reply;
  });
  EXPECT_THAT(
      error_message(ErrorCategory::kIo, [&] { download(request(server.url("/x")), recorder_); }),
      AllOf(HasSubstr("4 attempts"), HasSubstr("40 bytes are kept")));
  EXPECT_EQ(std::filesystem::file_size(part()), 40u);
}

TEST_F(DownloadTest, ANetworkThatIsNotThere) {
  std::string url;
  {
    url = LoopbackServer([](const HttpRequest&) { return HttpReply{}; }).url("/x");
  }
  error_message(ErrorCategory::kIo, [&] { download(request(url), recorder_); });
  EXPECT_EQ(recorder_.retries, 3);
}

TEST_F(DownloadTest, TooLongAFileIsRefused) {
  const LoopbackServer server([](const HttpRequest&) { return HttpReply{.body = kBody}; });
  DownloadRequest small = request(server.url("/x"));
  small.max_bytes = 1000;
  error_message(ErrorCategory::kCorrupt, [&] { download(small, recorder_); });
}

TEST_F(DownloadTest, AFullDiskIsNamed) {
  const LoopbackServer server([](const HttpRequest&) { return HttpReply{.body = kBody}; });
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{100000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const std::string message =
      error_message(ErrorCategory::kIo, [&] { download(request(server.url("/x")), recorder_); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(message, AllOf(HasSubstr("cannot write"), HasSubstr("file.part"),
                             HasSubstr("after 100000 bytes")));
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(DownloadTest, RedirectsStayWithHttp) {
  const LoopbackServer server([&](const HttpRequest& request) {
    if (request.path == "/good") {
      return HttpReply{.status = 302, .extra_headers = "Location: /body\r\n"};
    }
    if (request.path == "/bad") {
      return HttpReply{
          .status = 302,
          .extra_headers = "Location: file://" + (directory() / "reference").string() + "\r\n"};
    }
    return HttpReply{.body = kBody};
  });
  download(request(server.url("/good")), recorder_);
  EXPECT_EQ(content(), kBody);
  std::filesystem::remove(file());
  error_message(ErrorCategory::kIo, [&] { download(request(server.url("/bad")), recorder_); });
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(DownloadTest, FileUrls) {
  const std::string url = "file://" + (directory() / "reference").string();
  leave_part(std::string_view(kBody).substr(0, 5000));
  EXPECT_EQ(download(request(url), recorder_).resumed_from, 5000u);
  EXPECT_EQ(content(), kBody);
  error_message(ErrorCategory::kNotFound, [&] { download(request(url + "-not"), recorder_); });
}

TEST_F(DownloadTest, RefusesOtherProtocols) {
  for (const auto* url : {"ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "x", "", "http:/x"}) {
    EXPECT_THAT(error_message(ErrorCategory::kUsage, [&] { download(request(url), recorder_); }),
                HasSubstr("http://, https:// or file://"));
  }
}

}  // namespace
}  // namespace narrow
