// The example's table for a terminal, a program and a page.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "narrow/run_example.h"
#include "report/table/table.h"

namespace narrow {

// A line for each scheme and width: size, relative errors, accuracy, recall@5, difference to float.
Table example_table(const ExampleResult& result);

// A self-contained page with the table, plots of accuracy and error over bits, and the commands
// that do the same one by one.
std::string example_html(const ExampleResult& result, const std::vector<std::string>& commands,
                         std::string_view version);

}  // namespace narrow
