// A job on a thread of its own, while the thread of Python waits for it: there the progress and the
// notes of the job arrive, and there Ctrl-C does, whichever thread of the job tells of them.
#pragma once

#include <nanobind/nanobind.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "narrow/run_options.h"

namespace narrow::python {

class JobThread {
 public:
  // `progress`: None, or called with (done, total, unit) some twenty times a second.
  explicit JobThread(nanobind::object progress) : progress_(std::move(progress)) {}

  // Runs `work` to its end without the interpreter's lock, which the caller holds. Throws what
  // `work` throws; an exception of Python's, of the callback or KeyboardInterrupt, stops the job
  // first, which then keeps what it promises to an observer that stops it.
  void run(const std::function<void()>& work);

  // For observers, from any thread. Whether the job shall go on.
  bool report(std::uint64_t done, std::uint64_t total, ProgressUnit unit);
  // Goes to the logger "narrow", with level INFO or WARNING.
  void note(const std::string& sentence, bool is_warning = false);

 private:
  struct Progress {
    std::uint64_t done = 0;
    std::uint64_t total = 0;
    ProgressUnit unit = ProgressUnit::kBytes;
  };
  struct Note {
    std::string sentence;
    bool is_warning = false;
  };
  // Waits for the end, or for a twentieth of a second; whether it is the end.
  bool wait();
  // Hands out what has come since. Throws nanobind::python_error.
  void deliver();

  nanobind::object progress_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_finished_ = false;
  bool is_stopped_ = false;
  std::optional<Progress> latest_;
  std::vector<Note> notes_;
};

// For jobs whose observers know more than Observer, too.
template <typename Base>
class JobObserver final : public Base {
 public:
  explicit JobObserver(JobThread& job) : job_(job) {}
  bool on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) override {
    return job_.report(done, total, unit);
  }
  void on_note(const std::string& sentence) override { job_.note(sentence); }

 private:
  JobThread& job_;
};

// What every job is told besides its options.
struct JobArguments {
  int threads = 0;
  nanobind::object progress;
};

// Runs work(run, job) as a job, run being its RunOptionsFor<ObserverType>; gives what it gives.
template <typename ObserverType = Observer, typename Work>
auto run_job(const JobArguments& args, Work&& work) {
  JobThread job(args.progress);
  JobObserver<ObserverType> observer(job);
  const RunOptionsFor<ObserverType> run{args.threads, &observer};
  std::optional<decltype(work(run, job))> result;
  job.run([&] { result.emplace(work(run, job)); });
  return std::move(*result);
}

}  // namespace narrow::python
