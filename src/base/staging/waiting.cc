#include "base/staging/waiting.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

namespace narrow {
namespace {

using std::chrono::microseconds;

constexpr microseconds kFirstPause{100};
// Short, so that among many that wait for a lock nobody is passed over for long.
constexpr microseconds kLongestPause{2000};
constexpr std::chrono::seconds kLongWait{2};

std::atomic<WaitObserver*> wait_observer = nullptr;

class Silence : public WaitObserver {};

// Calls on_end of the observer, however the wait ends.
class Wait {
 public:
  explicit Wait(WaitObserver& observer) : observer_(observer) { observer_.on_begin(); }
  ~Wait() { observer_.on_end(); }
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

 private:
  WaitObserver& observer_;
};

}  // namespace

void set_wait_observer(WaitObserver* observer) { wait_observer = observer; }

void wait_until(const std::function<bool()>& is_ready, const std::string& sentence) {
  if (is_ready()) return;
  Silence silence;
  WaitObserver* const chosen = wait_observer;
  WaitObserver& observer = chosen != nullptr ? *chosen : silence;
  const Wait wait(observer);
  const auto start = std::chrono::steady_clock::now();
  bool told = false;
  for (microseconds pause = kFirstPause; !is_ready(); pause = std::min(2 * pause, kLongestPause)) {
    observer.on_poll();
    if (!told && std::chrono::steady_clock::now() - start >= kLongWait) {
      told = true;
      observer.on_long_wait(sentence);
    }
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace narrow
