// Standard output and standard error: a message that cannot be written never ends the work.
#pragma once

#include <string_view>

namespace narrow {

// The first thing that the program does. Descriptors 0 to 2 that are closed are opened, so that no
// file gets their number: then a message would land in it. SIGPIPE no longer ends the program.
void prepare_standard_streams();

// From now on nothing is written to either: another rank says it.
void mute_standard_streams();
// Ends that, for what no other rank can say.
void unmute_standard_streams();

// Text for people and programs. Never throws: what is wrong with standard output is returned by
// standard_output_status at the end, when all files are complete.
void write_standard_output(std::string_view text);
// Lost when standard error is full, closed or has no reader.
void write_standard_error(std::string_view text);

// Says that standard output is for one thing only, `what` ("--json", "--export-csv -"). Throws
// Error(kUsage) when it is for another already.
void claim_standard_output(std::string_view what);
// The same for a file that is to hold nothing else: text for people goes to standard error then.
void take_standard_output(std::string_view what);
bool is_standard_output_taken();

// The exit status of a run that would end with `status`. When standard output failed: 2, with a
// sentence; when its reader left: ends by SIGPIPE, as programs do that do not look at it.
int standard_output_status(int status);

}  // namespace narrow
