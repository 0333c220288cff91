// The processes that share one run, numbered from 0: of a program that a launcher has started once,
// or for which nobody has connected any, there is one.
//
// A rank that cannot go on says so by fail(): the others get its sentence as RankFailure from the
// call in which they next meet, so that one of them prints it and all end. Those that do not meet
// soon are ended.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include "base/rank_transport.h"

namespace narrow {

// What ended one of the ranks.
struct RankFailure : std::exception {
  int rank = 0;
  int status = 0;  // with which the program is to end
  std::string sentence;

  [[nodiscard]] const char* what() const noexcept override { return sentence.c_str(); }
};

class Ranks {
 public:
  Ranks() = default;  // one alone
  // `transport` has to live as long.
  explicit Ranks(RankTransport* transport) : transport_(transport) {}

  [[nodiscard]] int rank() const { return transport_ == nullptr ? 0 : transport_->rank(); }
  [[nodiscard]] int size() const { return transport_ == nullptr ? 1 : transport_->size(); }
  [[nodiscard]] bool is_first() const { return rank() == 0; }

  // The following are called by all ranks in the same order, by one thread. All throw RankFailure.

  // On the first rank what every rank gives, by rank; elsewhere nothing.
  std::vector<std::vector<std::byte>> gather(std::span<const std::byte> mine);
  // `bytes` of the first rank becomes that of all.
  void broadcast(std::vector<std::byte>& bytes);
  // Adds the values of all ranks in the order of the ranks; everyone gets the sums.
  void sum(std::span<double> values);
  // All messages at the same time, none to oneself; what one rank sends to another, that takes in
  // the same order and of the same lengths.
  void exchange(std::span<const Outgoing> sent, std::span<const Incoming> taken);
  // Messages that are passed on while this rank computes: begin() and advance() do not wait, and
  // need not be called by all ranks in the same order. Messages of one step have tags of their own,
  // not 0, and at most RankTransport::kLongestMessage bytes. All ranks call finish_begun(), which
  // waits for all of them, once nobody begins another one.
  void begin(std::span<const Outgoing> sent, std::span<const Incoming> taken);
  void advance();
  void finish_begun();
  // After a failure: before the places of what was begun go.
  void drop_begun();
  // The bits that all ranks have set.
  std::uint64_t common_bits(std::uint64_t mine);
  // Returns when all ranks have come here.
  void meet();

  // This rank cannot go on. Returns what all ranks know to have ended the run, this or what a lower
  // rank has met at the same time; when they do not come to hear it within `patience`, the
  // failure's rank is -1: the sentence is to be printed, and abort() called.
  RankFailure fail(int status, const std::string& sentence,
                   std::chrono::milliseconds patience = std::chrono::seconds(2));
  // Ends all ranks at once.
  [[noreturn]] void abort(int status);
  // To be called once at the end, by all ranks, also after a failure that all know of.
  void finish();

  // Payload that this rank has sent to others, and got.
  [[nodiscard]] std::uint64_t bytes_sent() const { return bytes_sent_; }
  [[nodiscard]] std::uint64_t bytes_received() const { return bytes_received_; }

 private:
  void pass(std::span<const Outgoing> sent, std::span<const Incoming> taken);
  void send(int to, std::span<const std::byte> bytes);
  std::vector<std::byte> receive(int from);
  void broadcast_from(int root, std::vector<std::byte>& bytes);
  RankFailure hear_failure(int rank, const RankFailure& mine);

  RankTransport* transport_ = nullptr;
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t bytes_received_ = 0;
};

// Those of this process: one alone until connect_ranks.
Ranks& ranks();
void connect_ranks(RankTransport* transport);

}  // namespace narrow
