#include "base/launcher.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/ranks.h"
#include "narrow/error.h"

namespace narrow {
namespace {

std::optional<int> number_in(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  const std::string_view view(text);
  int number = 0;
  const auto end = std::from_chars(view.data(), view.data() + view.size(), number);
  if (end.ec != std::errc()) return std::nullopt;
  return number;
}

struct Launcher {
  const char* name;
  const char* sign;  // the variable by which it is known
  const char* size;  // that which says how many processes it has started
};

// Open MPI's mpirun sets PMIx's variables too.
constexpr std::array kLaunchers = {
    Launcher{"mpirun of Open MPI", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_SIZE"},
    Launcher{"a launcher with PMIx", "PMIX_RANK", "SLURM_STEP_NUM_TASKS"},
    Launcher{"a launcher with PMI", "PMI_RANK", "PMI_SIZE"},
};

const Launcher* find_launcher() {
  for (const Launcher& launcher : kLaunchers) {
    if (std::getenv(launcher.sign) != nullptr) return &launcher;
  }
  return nullptr;
}

std::filesystem::path module_path() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  return program.parent_path() / kModuleName;
}

[[noreturn]] void refuse(const Launcher& launcher, const std::string& why) {
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{} has started this program ({} is set), but {}", launcher.name,
                          launcher.sign, why));
}

}  // namespace

void join_launched_ranks() {
  const Launcher* launcher = find_launcher();
  if (launcher == nullptr) return;
  const std::filesystem::path path = module_path();
  if (!std::filesystem::exists(path)) {
    refuse(*launcher, fmt::format("there is no {}; build narrow where Open MPI is installed "
                                  "(Debian: libopenmpi-dev), or start it without the launcher",
                                  path.string()));
  }
  // Global, since Open MPI loads parts of its own that look for the others' symbols.
  void* module = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (module == nullptr) {
    refuse(*launcher, fmt::format("MPI cannot be loaded: {}; install Open MPI (Debian: "
                                  "libopenmpi3), or start narrow without the launcher",
                                  ::dlerror()));
  }
  const auto make = reinterpret_cast<MakeRankTransport>(::dlsym(module, kModuleEntry));
  if (make == nullptr) {
    refuse(*launcher, fmt::format("{} is not a module of this program", path.string()));
  }
  RankTransport* transport = make();
  const std::optional<int> expected = number_in(launcher->size);
  const int found = transport->size();
  const bool is_lonely = !expected && found == 1 && number_in(launcher->sign).value_or(0) > 0;
  if ((expected && *expected != found) || is_lonely) {
    transport->finish();
    refuse(*launcher,
           fmt::format("MPI reports {} rank{}{}; use the launcher of the MPI that {} is linked "
                       "with, Open MPI",
                       found, found == 1 ? "" : "s",
                       expected ? fmt::format(" instead of {}", *expected) : "", kModuleName));
  }
  connect_ranks(transport);
}

}  // namespace narrow
