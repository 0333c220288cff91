// Shares of a job that run as processes of their own, at any time and on any machine: each leaves a
// file, and a process that has the files of all makes the result.
//
// The file: 16 bytes "narrow part 1\n\0\0"; its number and the number of parts (uint64 each); the
// command as a number of texts; then as many results of jobs, each a name, a key and bytes; at the
// end the CRC-32C of all before it (uint32). Texts and bytes with their length (uint64) before
// them, little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/exchange.h"

namespace narrow {

struct JobPart {
  std::string job;
  std::string key;
  std::vector<std::byte> bytes;
};

struct Part {
  std::uint64_t index = 0;
  std::uint64_t count = 1;
  std::vector<std::string> command;  // the words that made it, without what says which part
  std::vector<JobPart> jobs;
};

// Keeps what jobs hand over, for a file.
class PartExchange final : public Exchange {
 public:
  // Throws Error(kUsage) for a share that is none.
  PartExchange(const Share& share, std::vector<std::string> command);
  [[nodiscard]] Share share() const override { return {part_.index, part_.count}; }
  [[nodiscard]] bool makes_result() const override { return false; }
  std::vector<std::vector<std::byte>> gather(std::string_view job, const ShareKey& key,
                                             std::vector<std::byte> mine) override;
  [[nodiscard]] const Part& part() const { return part_; }

 private:
  Part part_;
};

std::vector<std::byte> serialize(const Part& part);
// Throws Error: kUnsupported for what is no such file, kCorrupt for a damaged one; `name` is how
// sentences call it.
Part parse_part(std::span<const std::byte> bytes, const std::string& name);

// Gives the jobs of the same command what all parts hold; nothing is left to do.
class MergeExchange final : public Exchange {
 public:
  // Throws what parse_part and reading throw; Error(kUsage) naming the parts that are missing, are
  // there twice or belong to another command.
  explicit MergeExchange(std::span<const std::filesystem::path> files);
  [[nodiscard]] Share share() const override { return {0, 0}; }
  [[nodiscard]] std::uint64_t processes() const override { return parts_.size(); }
  std::vector<std::vector<std::byte>> gather(std::string_view job, const ShareKey& key,
                                             std::vector<std::byte> mine) override;
  [[nodiscard]] const std::vector<std::string>& command() const { return parts_.front().command; }

 private:
  std::vector<Part> parts_;  // by index
  std::vector<std::string> names_;
  std::size_t job_ = 0;  // the next
};

}  // namespace narrow
