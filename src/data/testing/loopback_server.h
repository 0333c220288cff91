// A small HTTP server on 127.0.0.1 for tests: every request is answered by a function of the test.
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace narrow {

struct HttpRequest {
  std::string path;
  std::optional<std::size_t> range_start;  // of "Range: bytes=N-"
};

struct HttpReply {
  int status = 200;
  std::string body = {};
  std::string extra_headers = {};             // each line ended by \r\n
  std::optional<std::size_t> cut_after = {};  // bytes of the body, then the connection breaks
};

class LoopbackServer {
 public:
  using Handler = std::function<HttpReply(const HttpRequest&)>;

  explicit LoopbackServer(Handler handler)
      : handler_(std::move(handler)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, generic, length) != 0 || ::listen(listener_, 8) != 0 ||
        ::getsockname(listener_, generic, &length) != 0) {
      throw std::runtime_error("no socket on 127.0.0.1");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~LoopbackServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  [[nodiscard]] std::string url(const std::string& path) const {
    return fmt::format("http://127.0.0.1:{}{}", port_, path);
  }
  [[nodiscard]] std::vector<HttpRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    while (true) {
      const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return;
      answer(connection);
      ::close(connection);
    }
  }

  void answer(int connection) {
    std::string text;
    for (char buffer[4096]; text.find("\r\n\r\n") == std::string::npos;) {
      const ssize_t got = ::recv(connection, buffer, sizeof(buffer), 0);
      if (got <= 0) return;
      text.append(buffer, static_cast<std::size_t>(got));
    }
    HttpRequest request;
    request.path = text.substr(4, text.find(' ', 4) - 4);
    const std::string range = "Range: bytes=";
    if (const auto at = text.find(range); at != std::string::npos) {
      request.range_start = std::stoull(text.substr(at + range.size()));
    }
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    const HttpReply reply = handler_(request);
    send_all(connection,
             fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n",
                         reply.status, reply.body.size(), reply.extra_headers));
    send_all(connection, reply.body.substr(0, reply.cut_after.value_or(reply.body.size())));
  }

  static void send_all(int connection, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  Handler handler_;
  int listener_;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<HttpRequest> requests_;
  std::thread thread_;
};

// Answers with `body` or, when asked, with what follows a byte of it.
inline HttpReply serve_range(const std::string& body, const HttpRequest& request) {
  if (!request.range_start) return {.status = 200, .body = body};
  if (*request.range_start >= body.size()) {
    return {.status = 416,
            .extra_headers = fmt::format("Content-Range: bytes */{}\r\n", body.size())};
  }
  return {.status = 206,
          .body = body.substr(*request.range_start),
          .extra_headers = fmt::format("Content-Range: bytes {}-{}/{}\r\n", *request.range_start,
                                       body.size() - 1, body.size())};
}

}  // namespace narrow
