// --part I/N: this process does one of N shares of the command's work and leaves a file for
// `narrow merge`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/parts/part_files.h"
#include "base/staging/staged_output.h"
#include "cli/parser/command.h"

namespace narrow {

struct PartOptions {
  std::string part;
  std::string file;
};

void add_part_options(Command& command, PartOptions& options);

// The words that the program was called with, which parts keep. Set once, before commands run.
void set_program_words(std::vector<std::string> words);

// What makes of `words` those of every part: without which part it is, where its file goes, how
// many threads it takes and what it may replace.
std::vector<std::string> words_of_parts(const std::vector<std::string>& words);

// Throws Error(kUsage) when several processes share the work, but the result is none that they
// could share, `why`.
void require_one_process(bool is_shared, const std::string& why);

// While it lives, jobs do the share that was asked for. To be made before anything that belongs to
// the result.
class PartRun {
 public:
  // `command`: its name. Throws Error(kUsage) for what is no part, and under a launcher with
  // several ranks; what taking the place of the file throws.
  PartRun(const PartOptions& options, const std::string& command, bool force);
  ~PartRun();
  PartRun(const PartRun&) = delete;
  PartRun& operator=(const PartRun&) = delete;

  // Asked once, when all jobs are done: whether another process makes the result, so that nothing
  // is left to do. The file of the part is written then.
  bool is_done();

 private:
  std::string path_;
  std::unique_ptr<StagedOutput> staged_;
  std::unique_ptr<PartExchange> exchange_;
};

}  // namespace narrow
