#include "cli/console/console_waits.h"

#include <csignal>

#include "cli/console/console.h"

namespace narrow {
namespace {

bool is_default(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_DFL;
}

}  // namespace

void ConsoleWaits::on_begin() {
  // A result that was begun already is removed before the program ends.
  catches_ = is_default(SIGINT) && is_default(SIGTERM);
  if (catches_) catch_interrupts();
}

void ConsoleWaits::on_poll() { throw_if_interrupted(); }

void ConsoleWaits::on_long_wait(const std::string& sentence) { print_note(sentence); }

void ConsoleWaits::on_end() noexcept {
  if (!catches_ || is_interrupted()) return;
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

}  // namespace narrow
