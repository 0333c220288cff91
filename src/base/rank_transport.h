// What connects the processes of one run. A module of the program implements it on MPI; the rest of
// the program knows base/ranks.h. Everything here is called by one thread, by all ranks in the same
// order. Waiting gives the core to others.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace narrow {

// Bytes for another rank, and the place of what it sends. Messages with other tags are others.
struct Outgoing {
  int to = 0;
  std::span<const std::byte> bytes;
  int tag = 0;
};
struct Incoming {
  int from = 0;
  std::span<std::byte> bytes;
  int tag = 0;
};

class RankTransport {
 public:
  virtual ~RankTransport() = default;
  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;
  // The least of the numbers that the ranks give, once all have come; nothing when they have not
  // within `patience`, after which only abort may be called. No `patience`: waits for ever.
  virtual std::optional<int> least(int mine,
                                   const std::optional<std::chrono::milliseconds>& patience) = 0;
  // Messages of at most kLongestMessage bytes, all at the same time; what one rank sends to another
  // with one tag, that takes in the same order.
  virtual void exchange(std::span<const Outgoing> sent, std::span<const Incoming> taken) = 0;
  // The same without waiting, with tags that are not 0; the bytes stay where they are until
  // advance(), which passes on what it can of all that was begun, says that all has arrived.
  virtual void begin(std::span<const Outgoing> sent, std::span<const Incoming> taken) = 0;
  virtual bool advance() = 0;
  // Gives up all that was begun: no place is written any more.
  virtual void drop_begun() = 0;
  // What `root` has in `bytes` is what all have then, at most kLongestMessage.
  virtual void broadcast(int root, std::span<std::byte> bytes) = 0;
  // Ends all ranks at once.
  [[noreturn]] virtual void abort(int status) = 0;
  // All ranks are done; nothing is called afterwards.
  virtual void finish() = 0;

  static constexpr std::size_t kLongestMessage = std::size_t{1} << 28;
};

// The function by which a module gives its transport, which is never destroyed: see kModuleEntry.
using MakeRankTransport = RankTransport* (*)();
inline constexpr const char* kModuleEntry = "narrow_make_rank_transport";

}  // namespace narrow
