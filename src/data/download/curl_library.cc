#include "data/download/curl_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "narrow/error.h"

namespace narrow {
namespace {

// The name under which every version since 7.16 is installed.
constexpr const char* kFileName = "libcurl.so.4";

template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) {
    throw Error(ErrorCategory::kUnsupported, fmt::format("{} lacks {}", kFileName, name));
  }
}

CurlLibrary load() {
  void* const library = ::dlopen(kFileName, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw Error(
        ErrorCategory::kUnsupported,
        fmt::format("downloads need libcurl, which cannot be loaded ({}); install libcurl4, or "
                    "fetch the file yourself and give its path",
                    ::dlerror()));
  }
  decltype(&::curl_global_init) initialize = nullptr;
  find(library, "curl_global_init", initialize);
  if (initialize(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    throw Error(ErrorCategory::kIo, "the network library cannot be initialized");
  }
  CurlLibrary functions;
  find(library, "curl_easy_init", functions.init);
  find(library, "curl_easy_cleanup", functions.cleanup);
  find(library, "curl_easy_setopt", functions.set_option);
  find(library, "curl_easy_perform", functions.perform);
  find(library, "curl_easy_getinfo", functions.get_info);
  find(library, "curl_easy_strerror", functions.error_text);
  return functions;
}

}  // namespace

const CurlLibrary& curl_library() {
  static const CurlLibrary library = load();
  return library;
}

}  // namespace narrow
