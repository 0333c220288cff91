#include "tasks/event_names.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>

namespace narrow {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

}  // namespace

double wall_time() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

std::string free_event_file_name(const std::filesystem::path& directory, double seconds) {
  const std::string base = fmt::format("events.out.tfevents.{:.0f}.{}", seconds, host_name());
  std::string name = base;
  for (int i = 1; std::filesystem::exists(directory / name); ++i) {
    name = fmt::format("{}.{}", base, i);
  }
  return name;
}

}  // namespace narrow
