#include "cli/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>

#include "narrow/error.h"

namespace narrow {
namespace {

constexpr auto kRedrawInterval = std::chrono::milliseconds(100);

std::atomic<bool> interrupted = false;

void on_signal(int signal) {
  interrupted = true;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void print_result(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw Error(ErrorCategory::kIo, "cannot write to standard output");
  }
}

void print_warning(std::string_view sentence) {
  fmt::print(stderr, "narrow: warning: {}\n", sentence);
}

void catch_interrupts() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

void throw_if_interrupted() {
  if (interrupted) {
    throw Error(ErrorCategory::kInterrupted, "interrupted; nothing was written");
  }
}

ProgressLine::ProgressLine()
    : enabled_(::isatty(STDERR_FILENO) == 1), start_(std::chrono::steady_clock::now()) {}

ProgressLine::~ProgressLine() { clear(); }

void ProgressLine::update(std::uint64_t bytes_done, std::uint64_t bytes_total,
                          std::string_view what) {
  const auto now = std::chrono::steady_clock::now();
  if (!enabled_ || now - last_ < kRedrawInterval) return;
  last_ = now;
  drawn_ = true;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = static_cast<double>(bytes_done) / seconds;
  const double left = static_cast<double>(bytes_total - bytes_done) / rate;
  fmt::print(stderr, "\r\x1b[K{:3.0f} %  {:.2f} GB/s  {:.0f} s left  {:.48}",
             100 * static_cast<double>(bytes_done) / static_cast<double>(bytes_total), rate / 1e9,
             left, what);
}

void ProgressLine::clear() {
  if (!drawn_) return;
  drawn_ = false;
  fmt::print(stderr, "\r\x1b[K");
}

void ConsoleObserver::on_bytes(std::uint64_t done, std::uint64_t total) {
  throw_if_interrupted();
  progress_.update(done, total, current_);
}

void ConsoleObserver::on_tensor(const TensorResult& result, std::size_t /*done*/,
                                std::size_t /*total*/) {
  current_ = result.info.name;
  if (result.non_finite > 0) {
    progress_.clear();
    print_warning(fmt::format("{} is copied unchanged: it has {} NaN or infinite values",
                              result.info.name, result.non_finite));
  }
  if (!result.quantized) return;
  if (result.clipped_blocks > 0) {
    progress_.clear();
    print_warning(
        fmt::format("{}: {} bits with decimal scaling do not hold its range; values are "
                    "clipped",
                    result.info.name, result.scheme.bits));
  }
  ++quantized_;
  if (line_every_ > 0 && (quantized_ % line_every_ == 0 || quantized_ == quantized_total_)) {
    progress_.clear();
    print_result(fmt::format("{} of {} variables\n", quantized_, quantized_total_));
  }
}

}  // namespace narrow
