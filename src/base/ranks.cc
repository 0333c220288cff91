#include "base/ranks.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "base/bytes.h"

namespace narrow {
namespace {

// Calls `pass` for parts of `bytes` that one message can carry.
template <typename Byte, typename Pass>
void in_messages(std::span<Byte> bytes, Pass pass) {
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), RankTransport::kLongestMessage));
    pass(part);
    bytes = bytes.subspan(part.size());
  }
}

std::span<std::byte> bytes_of(std::uint64_t& number) {
  return std::as_writable_bytes(std::span(&number, 1));
}

}  // namespace

std::vector<std::vector<std::byte>> Ranks::gather(std::span<const std::byte> mine) {
  meet();
  if (!is_first()) {
    send(0, mine);
    return {};
  }
  std::vector<std::vector<std::byte>> all;
  all.emplace_back(mine.begin(), mine.end());
  for (int rank = 1; rank < size(); ++rank) all.push_back(receive(rank));
  return all;
}

void Ranks::broadcast(std::vector<std::byte>& bytes) {
  meet();
  broadcast_from(0, bytes);
}

void Ranks::sum(std::span<double> values) {
  const auto all = gather(std::as_bytes(values));
  if (size() == 1) return;
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] += load_le<double>(all[rank].data() + i * sizeof(double));
    }
  }
  const auto summed = std::as_bytes(values);
  std::vector<std::byte> bytes(summed.begin(), summed.end());
  broadcast(bytes);
  std::memcpy(values.data(), bytes.data(), values.size_bytes());
}

std::uint64_t Ranks::common_bits(std::uint64_t mine) {
  std::uint64_t common = mine;
  for (const auto& other : gather(bytes_of(mine))) common &= load_le<std::uint64_t>(other.data());
  std::vector<std::byte> bytes(sizeof(common));
  store_le(bytes.data(), common);
  broadcast(bytes);
  return load_le<std::uint64_t>(bytes.data());
}

void Ranks::meet() {
  if (transport_ == nullptr) return;
  const int failed = *transport_->least(size(), std::nullopt);
  if (failed < size()) throw hear_failure(failed, {});
}

RankFailure Ranks::fail(int status, const std::string& sentence,
                        std::chrono::milliseconds patience) {
  RankFailure mine;
  mine.rank = rank();
  mine.status = status;
  mine.sentence = sentence;
  if (transport_ == nullptr) return mine;
  const auto failed = transport_->least(rank(), patience);
  if (failed) return hear_failure(*failed, mine);
  mine.rank = -1;
  return mine;
}

// From the rank that failed, which may be this one.
RankFailure Ranks::hear_failure(int failed, const RankFailure& mine) {
  std::vector<std::byte> text;
  std::uint64_t status = 0;
  if (failed == rank()) {
    const auto bytes = as_byte_span(mine.sentence);
    text.assign(bytes.begin(), bytes.end());
    status = static_cast<std::uint64_t>(mine.status);
  }
  transport_->broadcast(failed, bytes_of(status));
  broadcast_from(failed, text);
  RankFailure failure;
  failure.rank = failed;
  failure.status = static_cast<int>(status);
  failure.sentence.assign(reinterpret_cast<const char*>(text.data()), text.size());
  return failure;
}

void Ranks::abort(int status) {
  if (transport_ != nullptr) transport_->abort(status);
  std::exit(status);
}

void Ranks::finish() {
  if (transport_ != nullptr) transport_->finish();
  transport_ = nullptr;
}

void Ranks::exchange(std::span<const Outgoing> sent, std::span<const Incoming> taken) {
  meet();
  if (transport_ != nullptr) pass(sent, taken);
}

void Ranks::begin(std::span<const Outgoing> sent, std::span<const Incoming> taken) {
  for (const Outgoing& message : sent) bytes_sent_ += message.bytes.size();
  for (const Incoming& message : taken) bytes_received_ += message.bytes.size();
  if (transport_ != nullptr) transport_->begin(sent, taken);
}

void Ranks::advance() {
  if (transport_ != nullptr) transport_->advance();
}

void Ranks::drop_begun() {
  if (transport_ != nullptr) transport_->drop_begun();
}

void Ranks::finish_begun() {
  meet();
  while (transport_ != nullptr && !transport_->advance()) std::this_thread::yield();
}

void Ranks::pass(std::span<const Outgoing> sent, std::span<const Incoming> taken) {
  std::vector<Outgoing> out;
  std::vector<Incoming> in;
  for (const Outgoing& message : sent) {
    in_messages(message.bytes, [&](auto part) { out.push_back({message.to, part}); });
    bytes_sent_ += message.bytes.size();
  }
  for (const Incoming& message : taken) {
    in_messages(message.bytes, [&](auto part) { in.push_back({message.from, part}); });
    bytes_received_ += message.bytes.size();
  }
  transport_->exchange(out, in);
}

void Ranks::send(int to, std::span<const std::byte> bytes) {
  std::uint64_t length = bytes.size();
  const Outgoing announced = {to, bytes_of(length)};
  transport_->exchange({&announced, 1}, {});
  const Outgoing message = {to, bytes};
  pass({&message, 1}, {});
}

std::vector<std::byte> Ranks::receive(int from) {
  std::uint64_t length = 0;
  const Incoming announced = {from, bytes_of(length)};
  transport_->exchange({}, {&announced, 1});
  std::vector<std::byte> bytes(length);
  const Incoming message = {from, bytes};
  pass({}, {&message, 1});
  return bytes;
}

void Ranks::broadcast_from(int root, std::vector<std::byte>& bytes) {
  if (transport_ == nullptr) return;
  std::uint64_t length = bytes.size();
  transport_->broadcast(root, bytes_of(length));
  bytes.resize(length);
  in_messages(std::span(bytes),
              [&](std::span<std::byte> part) { transport_->broadcast(root, part); });
  if (root == rank()) bytes_sent_ += length * static_cast<std::uint64_t>(size() - 1);
}

Ranks& ranks() {
  static Ranks of_process;
  return of_process;
}

void connect_ranks(RankTransport* transport) { ranks() = Ranks(transport); }

}  // namespace narrow
