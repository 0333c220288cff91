// libcurl, loaded when something is downloaded: it brings 27 libraries along, whose loading
// would take a quarter of the start of every command.
#pragma once

#include <curl/curl.h>

namespace narrow {

// The functions that are used.
struct CurlLibrary {
  decltype(&::curl_easy_init) init = nullptr;
  decltype(&::curl_easy_cleanup) cleanup = nullptr;
  decltype(&::curl_easy_setopt) set_option = nullptr;
  decltype(&::curl_easy_perform) perform = nullptr;
  decltype(&::curl_easy_getinfo) get_info = nullptr;
  decltype(&::curl_easy_strerror) error_text = nullptr;
};

// The library, loaded and initialized once. Throws Error(kUnsupported) if there is none.
const CurlLibrary& curl_library();

}  // namespace narrow
