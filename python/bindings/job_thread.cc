#include "job_thread.h"

#include <chrono>
#include <exception>
#include <thread>

namespace narrow::python {
namespace {

namespace nb = nanobind;

constexpr auto kPatience = std::chrono::milliseconds(50);

const char* name_of(ProgressUnit unit) {
  switch (unit) {
    case ProgressUnit::kBytes:
      return "bytes";
    case ProgressUnit::kImages:
      return "images";
    case ProgressUnit::kSteps:
      return "steps";
  }
  return "";
}

}  // namespace

bool JobThread::report(std::uint64_t done, std::uint64_t total, ProgressUnit unit) {
  const std::lock_guard lock(mutex_);
  latest_ = Progress{done, total, unit};
  return !is_stopped_;
}

void JobThread::note(const std::string& sentence, bool is_warning) {
  const std::lock_guard lock(mutex_);
  notes_.push_back({sentence, is_warning});
}

bool JobThread::wait() {
  const nb::gil_scoped_release others_may_run;
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [this] { return is_finished_; });
}

void JobThread::deliver() {
  std::optional<Progress> progress;
  std::vector<Note> notes;
  {
    const std::lock_guard lock(mutex_);
    std::swap(progress, latest_);
    std::swap(notes, notes_);
  }
  if (!notes.empty()) {
    const nb::object logger = nb::module_::import_("logging").attr("getLogger")("narrow");
    for (const Note& note : notes) {
      logger.attr(note.is_warning ? "warning" : "info")("%s", note.sentence.c_str());
    }
  }
  if (progress && !progress_.is_none()) {
    progress_(progress->done, progress->total, name_of(progress->unit));
  }
  if (PyErr_CheckSignals() != 0) nb::raise_python_error();
}

void JobThread::run(const std::function<void()>& work) {
  std::exception_ptr failure;
  std::thread thread([&] {
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    is_finished_ = true;
    changed_.notify_one();
  });
  std::exception_ptr raised;  // by Python, the first
  for (bool is_over = false; !is_over;) {
    is_over = wait();
    if (raised) continue;
    try {
      deliver();
    } catch (...) {
      raised = std::current_exception();
      const std::lock_guard lock(mutex_);
      is_stopped_ = true;
    }
  }
  thread.join();
  if (raised) std::rethrow_exception(raised);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace narrow::python
