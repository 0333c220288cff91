#include "cli/console/standard_streams.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "base/special_file.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr int kExitError = 2;

// Of the first write to standard output that failed.
int output_error = 0;
bool output_was_closed = false;
std::string claimed_for;
bool is_taken = false;
bool is_muted = false;

// Reading from the first and writing to the second goes on to fail.
void open_if_closed(int fd) {
  if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) return;
  // Messages may vanish; results must not seem to be written.
  const int access = fd == STDOUT_FILENO ? O_RDONLY : O_WRONLY;
  if (fd == STDOUT_FILENO) output_was_closed = true;
  // The lowest number that is free is `fd`, as those below it are open by now.
  if (::open("/dev/null", access) < 0) ::open("/", O_PATH);
}

}  // namespace

void prepare_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) open_if_closed(fd);
  std::signal(SIGPIPE, SIG_IGN);
}

void mute_standard_streams() { is_muted = true; }

void unmute_standard_streams() { is_muted = false; }

void write_standard_output(std::string_view text) {
  if (is_muted) return;
  if (output_error == 0) output_error = write_fully(STDOUT_FILENO, text);
}

void write_standard_error(std::string_view text) {
  if (!is_muted) write_fully(STDERR_FILENO, text);
}

void claim_standard_output(std::string_view what) {
  if (!claimed_for.empty()) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("standard output can hold one result only, but both {} and {} are to "
                            "go there; give one of them a file",
                            claimed_for, what));
  }
  claimed_for = what;
}

void take_standard_output(std::string_view what) {
  claim_standard_output(what);
  is_taken = true;
}

bool is_standard_output_taken() { return is_taken; }

int standard_output_status(int status) {
  if (output_error == 0) return status;
  if (output_error == EPIPE) {
    if (status != 0) return status;
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
  }
  write_standard_error(fmt::format("narrow: cannot write to standard output: {}\n",
                                   output_was_closed ? "it is closed" : strerror(output_error)));
  return kExitError;
}

}  // namespace narrow
