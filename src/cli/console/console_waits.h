// What the program prints and reacts to while the library waits for another process.
#pragma once

#include "base/staging/waiting.h"

namespace narrow {

// A note after a while; an interrupt or termination signal ends the waiting, whatever the command
// makes of signals otherwise.
class ConsoleWaits : public WaitObserver {
 public:
  ConsoleWaits() { set_wait_observer(this); }
  ~ConsoleWaits() override { set_wait_observer(nullptr); }
  ConsoleWaits(const ConsoleWaits&) = delete;
  ConsoleWaits& operator=(const ConsoleWaits&) = delete;

  void on_begin() override;
  void on_poll() override;
  void on_long_wait(const std::string& sentence) override;
  void on_end() noexcept override;

 private:
  bool catches_ = false;  // signals that otherwise kill
};

}  // namespace narrow
