// The module that connects ranks by MPI (MPI: A Message-Passing Interface Standard, version 3.1).
// It is the only place that knows MPI, and knows nothing of the program but one interface.
#include <mpi.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <vector>

#include "base/rank_transport.h"

namespace narrow {
namespace {

// Between looks at a meeting: short at first, because most come at once, then long enough to leave
// the core to others.
constexpr long kShortestPause = 20'000;    // nanoseconds
constexpr long kLongestPause = 1'000'000;  // nanoseconds

class MpiTransport final : public RankTransport {
 public:
  MpiTransport() {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
  }

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }

  std::optional<int> least(int mine,
                           const std::optional<std::chrono::milliseconds>& patience) override {
    mine_ = mine;
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Iallreduce(&mine_, &least_, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD, &request);
    if (!wait(request, patience)) return std::nullopt;
    return least_;
  }

  void exchange(std::span<const Outgoing> sent, std::span<const Incoming> taken) override {
    requests_.clear();
    post(taken, requests_);
    post(sent, requests_);
    finish_requests();
  }

  void begin(std::span<const Outgoing> sent, std::span<const Incoming> taken) override {
    post(taken, begun_taken_);
    post(sent, begun_sent_);
  }

  bool advance() override {
    const bool is_taken = are_done(begun_taken_);
    return are_done(begun_sent_) && is_taken;
  }

  void broadcast(int root, std::span<std::byte> bytes) override {
    requests_.assign(1, MPI_REQUEST_NULL);
    MPI_Ibcast(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, root, MPI_COMM_WORLD,
               requests_.data());
    finish_requests();
  }

  [[noreturn]] void abort(int status) override {
    MPI_Abort(MPI_COMM_WORLD, status);
    for (;;) pause(kLongestPause);  // the launcher ends this process
  }

  void drop_begun() override {
    for (MPI_Request& request : begun_taken_) {
      if (request == MPI_REQUEST_NULL) continue;
      MPI_Cancel(&request);
      MPI_Wait(&request, MPI_STATUS_IGNORE);
    }
    for (MPI_Request& request : begun_sent_) {
      if (request != MPI_REQUEST_NULL) MPI_Request_free(&request);
    }
    begun_taken_.clear();
    begun_sent_.clear();
  }

  // After a failure there may be messages that nobody takes.
  void finish() override {
    drop_begun();
    MPI_Finalize();
  }

 private:
  static void post(std::span<const Incoming> taken, std::vector<MPI_Request>& requests) {
    for (const auto& [from, bytes, tag] : taken) {
      MPI_Irecv(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, from, tag, MPI_COMM_WORLD,
                &requests.emplace_back());
    }
  }
  static void post(std::span<const Outgoing> sent, std::vector<MPI_Request>& requests) {
    for (const auto& [to, bytes, tag] : sent) {
      MPI_Isend(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, to, tag, MPI_COMM_WORLD,
                &requests.emplace_back());
    }
  }

  static bool are_done(std::vector<MPI_Request>& requests) {
    int is_done = 0;
    MPI_Testall(static_cast<int>(requests.size()), requests.data(), &is_done, MPI_STATUSES_IGNORE);
    if (is_done != 0) requests.clear();
    return is_done != 0;
  }

  static void pause(long nanoseconds) {
    const timespec time{0, nanoseconds};
    ::nanosleep(&time, nullptr);
  }

  // Whoever passes bytes has met the others before. Long messages go piece by piece, the next when
  // somebody looks, so that every pause would cost more than a piece takes.
  void finish_requests() {
    while (!are_done(requests_)) ::sched_yield();
  }

  // Whether the request was done in time.
  static bool wait(MPI_Request request, const std::optional<std::chrono::milliseconds>& patience) {
    const auto start = std::chrono::steady_clock::now();
    for (long nanoseconds = kShortestPause;;
         nanoseconds = std::min(2 * nanoseconds, kLongestPause)) {
      int is_done = 0;
      MPI_Test(&request, &is_done, MPI_STATUS_IGNORE);
      if (is_done != 0) return true;
      if (patience && std::chrono::steady_clock::now() - start > *patience) return false;
      pause(nanoseconds);
    }
  }

  int rank_ = 0;
  int size_ = 1;
  std::vector<MPI_Request> requests_;  // of the bytes that are passed
  std::vector<MPI_Request> begun_sent_;
  std::vector<MPI_Request> begun_taken_;
  // Of a meeting that may outlive the call.
  int mine_ = 0;
  int least_ = 0;
};

}  // namespace
}  // namespace narrow

extern "C" __attribute__((visibility("default"))) narrow::RankTransport*
narrow_make_rank_transport() {
  static auto* const transport = new narrow::MpiTransport;
  return transport;
}
