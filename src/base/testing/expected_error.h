// Test support: errors that are expected.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "narrow/error.h"

namespace narrow {

// The message of the Error that `action` throws; the test fails when there is none or it is of
// another category.
template <typename Action>
std::string error_message(ErrorCategory category, Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_STREQ(to_string(error.category()), to_string(category)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return {};
}

// The remedy of the Error that `action` throws; the test fails when there is none.
template <typename Action>
Remedy remedy_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.remedy();
  }
  ADD_FAILURE() << "no error was thrown";
  return {};
}

// The category of the Error that `action` throws; the test fails when there is none.
template <typename Action>
ErrorCategory category_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.category();
  }
  ADD_FAILURE() << "no error was thrown";
  return ErrorCategory::kInterrupted;
}

}  // namespace narrow
