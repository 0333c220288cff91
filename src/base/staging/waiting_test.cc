#include "base/staging/waiting.h"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

namespace narrow {
namespace {

class Recorder : public WaitObserver {
 public:
  Recorder() { set_wait_observer(this); }
  ~Recorder() override { set_wait_observer(nullptr); }
  void on_begin() override { events.emplace_back("begin"); }
  void on_poll() override {
    ++polls;
    if (polls == polls_allowed) throw std::runtime_error("enough");
  }
  void on_long_wait(const std::string& sentence) override { events.push_back(sentence); }
  void on_end() noexcept override { events.emplace_back("end"); }

  std::vector<std::string> events;
  int polls = 0;
  int polls_allowed = -1;
};

TEST(Waiting, IsNotToldWhenThereIsNoNeed) {
  const Recorder recorder;
  wait_until([] { return true; }, "waiting");
  EXPECT_TRUE(recorder.events.empty());
}

TEST(Waiting, IsToldOnceAfterTwoSeconds) {
  const Recorder recorder;
  const auto start = std::chrono::steady_clock::now();
  const auto passed = [&] { return std::chrono::steady_clock::now() - start; };
  wait_until([&] { return passed() > std::chrono::milliseconds(100); }, "waiting");
  EXPECT_EQ(recorder.events, (std::vector<std::string>{"begin", "end"}));
  EXPECT_GT(recorder.polls, 3);
  wait_until([&] { return passed() > std::chrono::milliseconds(2300); }, "waiting for one");
  EXPECT_EQ(recorder.events,
            (std::vector<std::string>{"begin", "end", "begin", "waiting for one", "end"}));
}

TEST(Waiting, EndsWhenTheObserverThrows) {
  Recorder recorder;
  recorder.polls_allowed = 3;
  EXPECT_THROW(wait_until([] { return false; }, "waiting"), std::runtime_error);
  EXPECT_EQ(recorder.events, (std::vector<std::string>{"begin", "end"}));
}

TEST(Waiting, NeedsNoObserver) {
  int asked = 0;
  wait_until([&] { return ++asked == 5; }, "waiting");
  EXPECT_EQ(asked, 5);
}

}  // namespace
}  // namespace narrow
