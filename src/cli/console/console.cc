#include "cli/console/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

#include "base/utf8.h"
#include "cli/console/standard_streams.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr auto kRedrawInterval = std::chrono::milliseconds(100);

std::atomic<bool> interrupted = false;

void on_signal(int signal) {
  interrupted = true;
  std::signal(signal, SIG_DFL);
}

std::string rate_text(double rate, ProgressUnit unit) {
  if (unit == ProgressUnit::kImages) return fmt::format("{:.1f} images/s", rate);
  return rate >= 1e9 ? fmt::format("{:.2f} GB/s", rate / 1e9)
                     : fmt::format("{:.1f} MB/s", rate / 1e6);
}

std::string amount_text(std::uint64_t amount, ProgressUnit unit) {
  if (unit == ProgressUnit::kImages) return fmt::format("{} images", amount);
  return fmt::format("{:.1f} MB", static_cast<double>(amount) / 1e6);
}

}  // namespace

void print_result(std::string_view text) { print_account(text, false); }

void print_account(std::string_view text, bool json) {
  if (json || is_standard_output_taken()) {
    write_standard_error(shown_lines(text));
  } else {
    write_standard_output(shown_lines(text));
  }
}

void print_warning(std::string_view sentence) {
  write_standard_error(fmt::format("narrow: warning: {}\n", shown(sentence)));
}

void print_note(std::string_view sentence) {
  write_standard_error(fmt::format("narrow: note: {}\n", shown(sentence)));
}

void catch_interrupts() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool is_interrupted() { return interrupted; }

void throw_if_interrupted() {
  if (interrupted) {
    throw Error(ErrorCategory::kInterrupted, "interrupted; nothing was written");
  }
}

ProgressLine::ProgressLine() : enabled_(::isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() { clear(); }

void ProgressLine::update(std::uint64_t done, std::uint64_t total, ProgressUnit unit,
                          std::string_view what) {
  const auto now = std::chrono::steady_clock::now();
  if (total_ != total || done < done_at_start_) {
    total_ = total;
    start_ = now;
    done_at_start_ = done;
  }
  const double seconds = std::chrono::duration<double>(now - start_).count();
  if (!enabled_ || now - last_ < kRedrawInterval || seconds <= 0) return;
  last_ = now;
  drawn_ = true;
  const double rate = static_cast<double>(done - done_at_start_) / seconds;
  std::string line = "\r\x1b[K";
  line += total > 0 ? fmt::format("{:3.0f} %",
                                  100 * static_cast<double>(done) / static_cast<double>(total))
                    : amount_text(done, unit);
  line += "  " + rate_text(rate, unit);
  if (total > done && rate > 0) {
    line += fmt::format("  {:.0f} s left", static_cast<double>(total - done) / rate);
  }
  write_standard_error(line + fmt::format("  {:.48}", shown(what)));
}

void ProgressLine::clear() {
  if (!drawn_) return;
  drawn_ = false;
  write_standard_error("\r\x1b[K");
}

bool ConsoleObserver::on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) {
  if (is_interrupted()) return false;
  progress_.update(done, total, unit, current_);
  return true;
}

void ConsoleObserver::on_tensor(const TensorResult& result, std::size_t /*done*/,
                                std::size_t /*total*/) {
  current_ = result.info.name;
  if (result.non_finite > 0) warnings_.add_non_finite(result.info.name, result.non_finite);
  if (!result.quantized) return;
  if (result.clipped_blocks > 0) warnings_.add_clipped(result.info.name, result.scheme);
  ++quantized_;
  if (line_every_ > 0 && (quantized_ % line_every_ == 0 || quantized_ == quantized_total_)) {
    progress_.clear();
    print_result(fmt::format("{} of {} variables\n", quantized_, quantized_total_));
  }
}

}  // namespace narrow
