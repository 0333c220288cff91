#include "data/download/http_transfer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <strings.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <memory>
#include <string_view>

#include "base/file.h"
#include "data/download/curl_library.h"

namespace narrow {
namespace {

constexpr long kConnectTimeoutSeconds = 30;
constexpr long kMaxRedirects = 10;
constexpr long kRangeNotSatisfiable = 416;

struct CurlDeleter {
  void operator()(CURL* handle) const { curl_library().cleanup(handle); }
};
using CurlHandle = std::unique_ptr<CURL, CurlDeleter>;

bool has_scheme(const std::string& url, std::string_view scheme) {
  return url.size() > scheme.size() && strncasecmp(url.c_str(), scheme.data(), scheme.size()) == 0;
}

// Protocols that a redirection may lead to: never to a file, never from https to http.
const char* redirect_protocols(const std::string& url) {
  if (has_scheme(url, "https://")) return "https";
  return "http,https";
}

// The state that libcurl's callbacks share. They are called from C, so what they throw is kept.
class PartWriter {
 public:
  PartWriter(const DownloadRequest& request, std::filesystem::path part, std::uint64_t resume_from,
             TransferObserver& observer)
      : request_(request), part_(std::move(part)), size_(resume_from), observer_(observer) {
    fd_ = FileDescriptor(::open(part_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
    if (fd_.get() < 0) throw_io("create");
  }

  static std::size_t on_data(char* data, std::size_t, std::size_t size, void* self) {
    auto& writer = *static_cast<PartWriter*>(self);
    return writer.guarded([&] { writer.append(data, size); }) ? size : 0;
  }

  static int on_progress(void* self, curl_off_t total, curl_off_t, curl_off_t, curl_off_t) {
    auto& writer = *static_cast<PartWriter*>(self);
    return writer.guarded([&] { writer.tell(total > 0 ? static_cast<std::uint64_t>(total) : 0); })
               ? 0
               : 1;
  }

  void rethrow_if_failed() const {
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }

  void sync() {
    if (::fsync(fd_.get()) != 0) throw_io("write");
  }

 private:
  template <typename Action>
  bool guarded(Action&& action) {
    if (failure_ != nullptr) return false;
    try {
      action();
    } catch (...) {
      failure_ = std::current_exception();
    }
    return failure_ == nullptr;
  }

  void append(const char* data, std::size_t size) {
    if (size > request_.max_bytes || size_ > request_.max_bytes - size) {
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("{} is longer than {} bytes, so it is not the file that is expected",
                              request_.url, request_.max_bytes));
    }
    while (size > 0) {
      const ssize_t written = ::write(fd_.get(), data, size);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) throw_io("write");
      data += written;
      size -= static_cast<std::size_t>(written);
      size_ += static_cast<std::uint64_t>(written);
    }
  }

  void tell(std::uint64_t remaining_total) {
    const std::uint64_t total = remaining_total == 0 ? 0 : start_ + remaining_total;
    if (observer_.on_progress(size_, total, ProgressUnit::kBytes)) return;
    throw Error(ErrorCategory::kInterrupted,
                fmt::format("the download of {} was stopped after {} bytes; they are kept in {}",
                            request_.url, size_, part_.string()));
  }

  [[noreturn]] void throw_io(const char* action) const {
    throw Error(ErrorCategory::kIo, fmt::format("cannot {} {} after {} bytes: {}", action,
                                                part_.string(), size_, strerror(errno)));
  }

  const DownloadRequest& request_;
  std::filesystem::path part_;
  std::uint64_t size_;
  const std::uint64_t start_ = size_;
  TransferObserver& observer_;
  FileDescriptor fd_;
  std::exception_ptr failure_;
};

void configure(CURL* curl, const DownloadRequest& request, std::uint64_t resume_from,
               PartWriter* writer, char* error_text) {
  const auto set = curl_library().set_option;
  set(curl, CURLOPT_URL, request.url.c_str());
  set(curl, CURLOPT_PROTOCOLS_STR, "http,https,file");
  set(curl, CURLOPT_REDIR_PROTOCOLS_STR, redirect_protocols(request.url));
  set(curl, CURLOPT_FOLLOWLOCATION, 1L);
  set(curl, CURLOPT_MAXREDIRS, kMaxRedirects);
  set(curl, CURLOPT_FAILONERROR, 1L);
  set(curl, CURLOPT_NOSIGNAL, 1L);
  set(curl, CURLOPT_CONNECTTIMEOUT, kConnectTimeoutSeconds);
  set(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.stall_timeout.count()));
  set(curl, CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(resume_from));
  set(curl, CURLOPT_WRITEFUNCTION, &PartWriter::on_data);
  set(curl, CURLOPT_WRITEDATA, writer);
  set(curl, CURLOPT_NOPROGRESS, 0L);
  set(curl, CURLOPT_XFERINFOFUNCTION, &PartWriter::on_progress);
  set(curl, CURLOPT_XFERINFODATA, writer);
  set(curl, CURLOPT_USERAGENT, "narrow");
  set(curl, CURLOPT_ERRORBUFFER, error_text);
}

TransferReport report_http_error(const DownloadRequest& request, long status) {
  const bool may_pass = status >= 500 || status == 408 || status == 429;
  const bool is_missing = status == 404 || status == 410;
  return {may_pass ? TransferOutcome::kBroken : TransferOutcome::kRefused,
          fmt::format("the server answered {} with status {}", request.url, status),
          is_missing ? ErrorCategory::kNotFound : ErrorCategory::kIo};
}

TransferReport report_error(const DownloadRequest& request, CURLcode code, const char* text) {
  const std::string reason = fmt::format("{} cannot be fetched: {}", request.url,
                                         *text != 0 ? text : curl_library().error_text(code));
  switch (code) {
    case CURLE_RANGE_ERROR:
    case CURLE_BAD_DOWNLOAD_RESUME:
      return {TransferOutcome::kCannotResume, reason, ErrorCategory::kIo};
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return {TransferOutcome::kBroken, reason, ErrorCategory::kIo};
    case CURLE_FILE_COULDNT_READ_FILE:
      return {TransferOutcome::kRefused, reason, ErrorCategory::kNotFound};
    default:
      return {TransferOutcome::kRefused, reason, ErrorCategory::kIo};
  }
}

}  // namespace

void check_url(const std::string& url) {
  for (const std::string_view scheme : {"http://", "https://", "file://"}) {
    if (has_scheme(url, scheme)) return;
  }
  throw Error(ErrorCategory::kUsage,
              fmt::format("'{}' is no address that can be fetched; it must begin with http://, "
                          "https:// or file://",
                          url));
}

TransferReport transfer(const DownloadRequest& request, const std::filesystem::path& part,
                        std::uint64_t resume_from, TransferObserver& observer) {
  const CurlLibrary& library = curl_library();
  PartWriter writer(request, part, resume_from, observer);
  const CurlHandle curl(library.init());
  if (curl == nullptr) throw std::bad_alloc();
  std::array<char, CURL_ERROR_SIZE> error_text{};
  configure(curl.get(), request, resume_from, &writer, error_text.data());
  const CURLcode code = library.perform(curl.get());
  writer.rethrow_if_failed();
  writer.sync();
  long status = 0;
  library.get_info(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status == kRangeNotSatisfiable && resume_from > 0) {
    return {TransferOutcome::kUnsatisfiable,
            fmt::format("{} has nothing after byte {}", request.url, resume_from),
            ErrorCategory::kIo};
  }
  if (code == CURLE_HTTP_RETURNED_ERROR) return report_http_error(request, status);
  if (code != CURLE_OK) return report_error(request, code, error_text.data());
  return {};
}

}  // namespace narrow
