#include "base/ranks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>
#include <tuple>
#include <vector>

#include "base/bytes.h"
#include "base/exchange.h"

namespace narrow {
namespace {

// Threads in place of processes.
class Room {
 public:
  explicit Room(int size) : size_(size) {}
  [[nodiscard]] int size() const { return size_; }

  std::optional<int> least(int mine, const std::optional<std::chrono::milliseconds>& patience) {
    std::unique_lock lock(mutex_);
    const std::uint64_t round = round_;
    least_ = came_ == 0 ? mine : std::min(least_, mine);
    if (++came_ == size_) {
      came_ = 0;
      ++round_;
      result_ = least_;
      changed_.notify_all();
      return result_;
    }
    const auto is_over = [&] { return round_ != round; };
    if (!patience) {
      changed_.wait(lock, is_over);
    } else if (!changed_.wait_for(lock, *patience, is_over)) {
      return std::nullopt;
    }
    return result_;
  }

  void send(int from, int to, int tag, std::span<const std::byte> bytes) {
    const std::lock_guard lock(mutex_);
    mail_[{from, to, tag}].emplace_back(bytes.begin(), bytes.end());
    changed_.notify_all();
  }

  bool has_mail(int from, int to, int tag) {
    const std::lock_guard lock(mutex_);
    return !mail_[{from, to, tag}].empty();
  }

  void receive(int from, int to, int tag, std::span<std::byte> bytes) {
    std::unique_lock lock(mutex_);
    auto& box = mail_[{from, to, tag}];
    changed_.wait(lock, [&] { return !box.empty(); });
    ASSERT_EQ(box.front().size(), bytes.size());
    std::ranges::copy(box.front(), bytes.begin());
    box.pop_front();
  }

 private:
  int size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int came_ = 0;
  int least_ = 0;
  int result_ = 0;
  std::uint64_t round_ = 0;
  std::map<std::tuple<int, int, int>, std::deque<std::vector<std::byte>>> mail_;
};

class ThreadTransport final : public RankTransport {
 public:
  ThreadTransport(Room& room, int rank) : room_(room), rank_(rank) {}
  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return room_.size(); }
  std::optional<int> least(int mine,
                           const std::optional<std::chrono::milliseconds>& patience) override {
    return room_.least(mine, patience);
  }
  void exchange(std::span<const Outgoing> sent, std::span<const Incoming> taken) override {
    for (const auto& [to, bytes, tag] : sent) room_.send(rank_, to, tag, bytes);
    for (const auto& [from, bytes, tag] : taken) room_.receive(from, rank_, tag, bytes);
  }
  void begin(std::span<const Outgoing> sent, std::span<const Incoming> taken) override {
    exchange(sent, {});
    begun_.insert(begun_.end(), taken.begin(), taken.end());
  }
  bool advance() override {
    std::erase_if(begun_, [&](const Incoming& message) {
      const auto& [from, bytes, tag] = message;
      if (!room_.has_mail(from, rank_, tag)) return false;
      room_.receive(from, rank_, tag, bytes);
      return true;
    });
    return begun_.empty();
  }
  void drop_begun() override { begun_.clear(); }
  void broadcast(int root, std::span<std::byte> bytes) override {
    for (int other = 0; rank_ == root && other < size(); ++other) {
      if (other != root) room_.send(root, other, 0, bytes);
    }
    if (rank_ != root) room_.receive(root, rank_, 0, bytes);
  }
  [[noreturn]] void abort(int status) override { throw status; }
  void finish() override {}

 private:
  Room& room_;
  int rank_;
  std::vector<Incoming> begun_;
};

// Runs `body` as so many ranks.
void run_ranks(int size, const std::function<void(Ranks&)>& body) {
  Room room(size);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&room, &body, rank] {
      ThreadTransport transport(room, rank);
      Ranks ranks(&transport);
      body(ranks);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Ranks, AloneIsTheFirstOfOne) {
  Ranks alone;
  EXPECT_TRUE(alone.is_first());
  EXPECT_EQ(alone.size(), 1);
  std::vector<double> values = {1, 2};
  alone.sum(values);
  EXPECT_EQ(values, (std::vector<double>{1, 2}));
  EXPECT_EQ(alone.gather(as_byte_span("x")).size(), 1U);
  EXPECT_EQ(alone.common_bits(6), 6U);
  alone.meet();
}

TEST(Ranks, GatherSumAndBroadcastInTheOrderOfTheRanks) {
  run_ranks(3, [](Ranks& ranks) {
    const std::string mine(static_cast<std::size_t>(ranks.rank()), 'a');  // the first has nothing
    const auto all = ranks.gather(as_byte_span(mine));
    ASSERT_EQ(all.size(), ranks.is_first() ? 3U : 0U);
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].size(), i);
    // The sum depends on the order: (1e16 + 1) + -1e16 is 0.
    const double values[] = {1e16, 1, -1e16};
    std::vector<double> sum = {values[ranks.rank()]};
    ranks.sum(sum);
    EXPECT_EQ(sum.front(), 0);
    EXPECT_EQ(ranks.common_bits(7U << ranks.rank()), 4U);
  });
}

TEST(Ranks, ExchangePassesEveryMessageInOrder) {
  run_ranks(3, [](Ranks& ranks) {
    // Two messages to each other rank, the second one empty from the first rank.
    const std::string mine = std::to_string(ranks.rank());
    const std::string second = ranks.is_first() ? "" : mine + mine;
    std::vector<std::string> got(6, "?");
    std::vector<Outgoing> sent;
    std::vector<Incoming> taken;
    for (int other = 0; other < 3; ++other) {
      if (other == ranks.rank()) continue;
      sent.push_back({other, as_byte_span(mine)});
      sent.push_back({other, as_byte_span(second)});
      for (const bool is_second : {false, true}) {
        std::string& to = got[static_cast<std::size_t>(2 * other + (is_second ? 1 : 0))];
        to.assign(is_second ? (other == 0 ? 0 : 2) : 1, ' ');
        taken.push_back({other, std::as_writable_bytes(std::span(to))});
      }
    }
    ranks.exchange(sent, taken);
    for (int other = 0; other < 3; ++other) {
      if (other == ranks.rank()) continue;
      const std::string theirs = std::to_string(other);
      EXPECT_EQ(got[static_cast<std::size_t>(2 * other)], theirs);
      EXPECT_EQ(got[static_cast<std::size_t>(2 * other + 1)], other == 0 ? "" : theirs + theirs);
    }
    EXPECT_EQ(ranks.bytes_sent(), ranks.is_first() ? 2U : 6U);
    EXPECT_EQ(ranks.bytes_received(), ranks.is_first() ? 6U : 4U);
  });
  Ranks alone;
  alone.exchange({}, {});
}

TEST(Ranks, BegunMessagesArriveInAnyOrder) {
  run_ranks(3, [](Ranks& ranks) {
    std::vector<std::uint64_t> got(3, 0);
    std::vector<Incoming> taken;
    for (int other = 0; other < 3; ++other) {
      if (other == ranks.rank()) continue;
      const auto to = std::span(got).subspan(static_cast<std::size_t>(other), 1);
      taken.push_back({other, std::as_writable_bytes(to), 1 + other});
    }
    ranks.begin({}, taken);
    const auto mine = static_cast<std::uint64_t>(10 + ranks.rank());
    for (int other = 2; other >= 0; --other) {
      if (other == ranks.rank()) continue;
      const Outgoing message = {other, std::as_bytes(std::span(&mine, 1)), 1 + ranks.rank()};
      ranks.begin({&message, 1}, {});
      ranks.advance();
    }
    EXPECT_EQ(ranks.common_bits(3), 3U);  // other messages do not mix with them
    ranks.finish_begun();
    for (std::size_t other = 0; other < 3; ++other) {
      EXPECT_EQ(got[other], static_cast<int>(other) == ranks.rank() ? 0 : 10 + other);
    }
    EXPECT_GE(ranks.bytes_received(), 16U);
  });
  Ranks alone;
  alone.begin({}, {});
  alone.finish_begun();
}

TEST(Ranks, FailureIsHeardByAllWhoComeToMeet) {
  run_ranks(3, [](Ranks& ranks) {
    if (ranks.rank() == 0) {
      try {
        ranks.meet();
        FAIL();
      } catch (const RankFailure& failure) {
        EXPECT_EQ(failure.rank, 1);
        EXPECT_EQ(failure.status, 2);
        EXPECT_EQ(failure.sentence, "the file of rank 1 is gone");
      }
      return;
    }
    // Two fail at once: the lower one is told of.
    const std::string rank = std::to_string(ranks.rank());
    const RankFailure failure = ranks.fail(2, "the file of rank " + rank + " is gone");
    EXPECT_EQ(failure.rank, 1);
    EXPECT_EQ(failure.sentence, "the file of rank 1 is gone");
  });
}

TEST(Ranks, FailureThatNobodyHearsIsToldToItsRank) {
  run_ranks(2, [](Ranks& ranks) {
    if (ranks.is_first()) return;  // works on, or hangs
    const RankFailure failure = ranks.fail(2, "no room", std::chrono::milliseconds(10));
    EXPECT_EQ(failure.rank, -1);
    EXPECT_EQ(failure.sentence, "no room");
  });
}

TEST(Share, DealsEveryPortionOnce) {
  for (const std::uint64_t count : {1U, 2U, 7U}) {
    for (std::uint64_t portion = 0; portion < 20; ++portion) {
      int owners = 0;
      for (std::uint64_t i = 0; i < count; ++i) owners += Share{i, count}.has(portion) ? 1 : 0;
      EXPECT_EQ(owners, 1);
    }
  }
  EXPECT_FALSE((Share{0, 0}.has(0)));
}

TEST(DealOut, EveryItemOnceAndNearlyEvenly) {
  const std::vector<std::uint64_t> sizes = {5, 90, 10, 40, 0, 40, 30, 25};
  const std::uint64_t total = std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0});
  std::vector<int> owners(sizes.size(), 0);
  for (std::uint64_t i = 0; i < 3; ++i) {
    const std::vector<bool> mine = deal_out(sizes, {i, 3});
    std::uint64_t load = 0;
    for (std::size_t item = 0; item < sizes.size(); ++item) {
      owners[item] += mine[item] ? 1 : 0;
      load += mine[item] ? sizes[item] : 0;
    }
    EXPECT_LE(load, total / 3 + 10);
  }
  EXPECT_THAT(owners, testing::Each(1));
  EXPECT_THAT(deal_out(sizes, {}), testing::Each(true));
  EXPECT_THAT(deal_out(sizes, {0, 0}), testing::Each(false));
}

TEST(DealOut, InOrderGivesConsecutiveItemsOfAboutTheSameSize) {
  const std::vector<std::uint64_t> sizes = {5, 5, 5, 5, 10, 0, 10, 20};
  const std::vector<std::vector<bool>> expected = {
      {true, true, true, true, false, false, false, false},
      {false, false, false, false, true, true, true, false},
      {false, false, false, false, false, false, false, true}};
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_EQ(deal_out_in_order(sizes, {i, 3}), expected[i]);
  EXPECT_THAT(deal_out_in_order(sizes, {}), testing::Each(true));
  EXPECT_THAT(deal_out_in_order(sizes, {0, 0}), testing::Each(false));
  EXPECT_EQ(deal_out_in_order(std::vector<std::uint64_t>{0, 0}, {0, 2}),
            (std::vector<bool>{true, true}));
}

}  // namespace
}  // namespace narrow
