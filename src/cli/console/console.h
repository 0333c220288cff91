// The terminal: results to standard output, everything else to standard error.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cli/console/tensor_warnings.h"
#include "narrow/quantize_checkpoint.h"
#include "narrow/run_options.h"

namespace narrow {

// Text with names from elsewhere goes out as shown_lines(text). To standard output, or to standard
// error when an export took standard output; a failure shows at the end, in the exit status.
void print_result(std::string_view text);
// What a command does as it goes: a result, unless standard output is kept for one JSON object;
// then it goes to standard error.
void print_account(std::string_view text, bool json);
// "warning: ..." on standard error.
void print_warning(std::string_view sentence);
// "note: ..." on standard error.
void print_note(std::string_view sentence);

// Makes the first interrupt or termination signal ask for an orderly stop; a second one kills.
void catch_interrupts();
bool is_interrupted();
// Throws Error(kInterrupted) once a signal has come.
void throw_if_interrupted();

// A line on standard error that is drawn over itself, only when that is a terminal.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  // `total` 0: not known. The rate is that since the first update, or since the last one that was
  // about another total.
  void update(std::uint64_t done, std::uint64_t total, ProgressUnit unit, std::string_view what);
  void clear();

 private:
  bool enabled_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_;
  std::uint64_t done_at_start_ = 0;
  std::optional<std::uint64_t> total_;
};

// Shows progress, collects what a scheme cannot do to tensors, and stops on a signal.
class ConsoleObserver : public QuantizeObserver {
 public:
  // `line_every` > 0: a plain line on standard output each time so many tensors are quantized.
  ConsoleObserver(std::size_t line_every, std::size_t quantized_total)
      : line_every_(line_every), quantized_total_(quantized_total) {}
  void on_tensor(const TensorResult& result, std::size_t done, std::size_t total) override;
  bool on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) override;
  void on_note(const std::string& sentence) override {
    progress_.clear();
    print_note(sentence);
  }
  // The work is done: warnings follow.
  void finish() {
    progress_.clear();
    warnings_.print();
  }

 private:
  std::size_t line_every_;
  std::size_t quantized_total_;
  std::size_t quantized_ = 0;
  std::string current_;
  TensorWarnings warnings_;
  ProgressLine progress_;
};

}  // namespace narrow
