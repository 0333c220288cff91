#include <string>
#include <vector>

#include "base/instruction_limit.h"
#include "cli/program/program.h"

int main(int argc, char** argv) {
  narrow::apply_instruction_limit();
  return narrow::run_program(argc > 0 ? argv[0] : "narrow",
                             std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
