// How a job is shared between processes that each do some of its portions: ranks of one run, or
// parts that run whenever they please and leave files for a later merge. A job asks for its share,
// does those portions, and hands what it got to gather(); the process that makes the result gets
// what all have got.
//
// Which portions a process has depends on the numbers alone, and results are put together in the
// order of the portions, so that they are the same bytes however many processes there are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace narrow {

// Of every `count` portions one.
struct Share {
  std::uint64_t index = 0;
  std::uint64_t count = 1;  // 0: no portion, all is done elsewhere

  [[nodiscard]] bool has(std::uint64_t portion) const {
    return count > 0 && portion % count == index;
  }
  [[nodiscard]] bool is_whole() const { return count == 1; }
};

// Names what a job depends on, its input and options, as far as this can be told quickly. Called
// only where parts need it.
using ShareKey = std::function<std::string()>;

// The same text, made at the first call.
ShareKey made_once(ShareKey key);

class Exchange {
 public:
  virtual ~Exchange() = default;
  [[nodiscard]] virtual Share share() const { return {}; }
  // How many processes have a share, this one or not.
  [[nodiscard]] virtual std::uint64_t processes() const { return share().count; }
  // Of the processes one: its job gives the whole result, that of others what their shares give.
  [[nodiscard]] virtual bool makes_result() const { return true; }
  // Whether this process does everything and makes the result, so that nothing need be gathered.
  [[nodiscard]] bool is_alone() const { return share().is_whole() && makes_result(); }
  // Hands over what this process's share of `job` gave; where the result is made, gives that of
  // all processes, in their order. Parts with another key do not belong together. Called by all
  // processes in the same order.
  // Throws Error(kUsage) for parts that are missing or do not belong together, and RankFailure.
  virtual std::vector<std::vector<std::byte>> gather(std::string_view job, const ShareKey& key,
                                                     std::vector<std::byte> mine);
};

// Of this process: that of ranks() unless another one is set.
Exchange& exchange();
// nullptr: that of ranks() again. Not while a job runs.
void set_exchange(Exchange* exchange);

// This process's among the ranks, also while it makes one part of several.
Share share_of_rank();

// Which items are this process's when they are dealt out by their sizes, the largest first, each to
// the share that has least so far.
std::vector<bool> deal_out(std::span<const std::uint64_t> sizes, const Share& share);
// The same, but those of a share follow each other: an item is that share's in whose part of the
// sum of all sizes its middle lies.
std::vector<bool> deal_out_in_order(std::span<const std::uint64_t> sizes, const Share& share);

}  // namespace narrow
