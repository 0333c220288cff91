#include "cli/options/part_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/number_text.h"
#include "base/ranks.h"
#include "base/utf8.h"
#include "cli/console/console.h"
#include "cli/options/common_options.h"
#include "narrow/error.h"

namespace narrow {
namespace {

std::vector<std::string>& program_words() {
  static std::vector<std::string> words;
  return words;
}

Share parse_part_number(const std::string& text) {
  const std::string_view whole = text;
  const std::size_t slash = std::min(whole.find('/'), whole.size());
  const auto index = number_of<std::uint64_t>(whole.substr(0, slash));
  const auto count = number_of<std::uint64_t>(whole.substr(std::min(slash + 1, whole.size())));
  if (index && count && *index < *count) return {*index, *count};
  throw Error(
      ErrorCategory::kUsage,
      fmt::format("--part {} is no part; say I/N with I from 0 to N - 1: --part 0/4", text));
}

}  // namespace

void add_part_options(Command& command, PartOptions& options) {
  command
      .add_option("--part", options.part,
                  "do share I of N (from 0) and leave a file for narrow merge")
      .type_name("I/N")
      .group("Several processes");
  command.add_option("--part-file", options.file, "that file; default COMMAND.part-I-of-N")
      .type_name("FILE")
      .group("Several processes");
}

void set_program_words(std::vector<std::string> words) { program_words() = std::move(words); }

std::vector<std::string> words_of_parts(const std::vector<std::string>& words) {
  std::vector<std::string> kept;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string name = words[i].substr(0, words[i].find('='));
    const bool has_value = name == "--part" || name == "--part-file" || name == "--threads";
    if (has_value && name == words[i]) ++i;
    if (!has_value && name != "--force") kept.push_back(words[i]);
  }
  return kept;
}

void require_one_process(bool is_shared, const std::string& why) {
  if (is_shared || exchange().is_alone()) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("several processes share a result in the format safetensors, in one file "
                          "or several, or tf, but {}; run it in one process",
                          why));
}

PartRun::PartRun(const PartOptions& options, const std::string& command, bool force) {
  if (options.part.empty()) {
    if (options.file.empty()) return;
    throw Error(ErrorCategory::kUsage, "--part-file is for a part; add --part I/N");
  }
  if (ranks().size() > 1) {
    throw Error(ErrorCategory::kUsage,
                "--part is for processes that know nothing of each other; under mpirun the ranks "
                "share the work without it");
  }
  const Share share = parse_part_number(options.part);
  path_ = options.file.empty() ? fmt::format("{}.part-{}-of-{}", command, share.index, share.count)
                               : options.file;
  const std::filesystem::path path = path_;
  staged_ =
      std::make_unique<StagedOutput>(path.has_parent_path() ? path.parent_path() : ".",
                                     std::vector{path.filename().string()}, overwrite_of(force));
  exchange_ = std::make_unique<PartExchange>(share, words_of_parts(program_words()));
  set_exchange(exchange_.get());
}

PartRun::~PartRun() {
  if (exchange_) set_exchange(nullptr);
}

bool PartRun::is_done() {
  if (!exchange_) return !exchange().makes_result();
  const std::string name = std::filesystem::path(path_).filename().string();
  OutputFile file(staged_->staging_path(name));
  file.write(serialize(exchange_->part()));
  file.finish();
  staged_->commit();
  print_result(fmt::format("written: {}, part {} of {}; narrow merge makes the result of all\n",
                           shown(path_), exchange_->part().index, exchange_->part().count));
  return true;
}

}  // namespace narrow
