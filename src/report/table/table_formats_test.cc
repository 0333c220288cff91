#include "report/table/table.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "report/html/html_page.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

const double kInfinity = std::numeric_limits<double>::infinity();

Table example() {
  Table table{"layers",
              "All | layers",
              {{"name", "layer", CellStyle::kText, TableColumn::Audience::kAll, true},
               {"error", "relative error", CellStyle::kPercent},
               {"sqnr_db", "SQNR dB", CellStyle::kDecibel},
               {"count", "n", CellStyle::kInteger, TableColumn::Audience::kPrograms},
               {"params", "parameters", CellStyle::kText, TableColumn::Audience::kPeople}},
              {}};
  table.add_row({"a,\"b\"", 0.1 + 0.2, 12.345, std::uint64_t{7}, "[<1>]"});
  table.add_row({"plain", {}, kInfinity, {}, "x_y"});
  return table;
}

TEST(Table, TextHasThePeoplesColumnsNamesLast) {
  EXPECT_EQ(table_text(example()),
            "relative error  SQNR dB  parameters  layer\n"
            "          30 %    12.35  [<1>]       a,\"b\"\n"
            "             -    exact  x_y         plain\n");
}

TEST(Table, CsvHasEveryDigitAndQuotes) {
  EXPECT_EQ(table_csv(example()),
            "name,error,sqnr_db,count\n"
            "\"a,\"\"b\"\"\",0.30000000000000004,12.345,7\n"
            "plain,,inf,\n");
}

TEST(Table, MarkdownEscapesItsOwnCharacters) {
  EXPECT_EQ(table_markdown(example()),
            "## All \\| layers\n\n"
            "| layer | relative error | SQNR dB | parameters |\n"
            "| --- | ---: | ---: | --- |\n"
            "| a,\"b\" | 30 % | 12.35 | [\\<1>] |\n"
            "| plain | - | exact | x\\_y |\n");
}

TEST(Table, JsonHasAnObjectForEachRow) {
  EXPECT_EQ(table_json(example()).dump(),
            R"([{"name":"a,\"b\"","error":0.30000000000000004,"sqnr_db":12.345,"count":7},)"
            R"({"name":"plain","error":null,"sqnr_db":null,"count":null}])");
}

TEST(Table, HtmlIsEscapedAndHasSortKeys) {
  const std::string html = html_table(example());
  EXPECT_NE(html.find("<td>a,&quot;b&quot;</td>"), std::string::npos) << html;
  EXPECT_NE(html.find("<td class=\"n\" data-v=\"0.30000000000000004\">30 %</td>"),
            std::string::npos)
      << html;
  EXPECT_NE(html.find("data-v=\"Infinity\">exact<"), std::string::npos) << html;
  EXPECT_NE(html.find("[&lt;1&gt;]"), std::string::npos) << html;
}

Table with_name(const std::string& name) {
  Table table{"t", "", {{"name", "name"}, {"n", "n", CellStyle::kInteger}}, {}};
  table.add_row({name, std::uint64_t{1}});
  return table;
}

TEST(Table, NamesAreShownOnOneLine) {
  EXPECT_EQ(table_text(with_name("a\n\x1b[31mb\xE8")),
            "name                n\n"
            "a\\n\\u001b[31mb\\xE8  1\n");
  // Two columns for each of two wide characters.
  EXPECT_EQ(table_text(with_name("\xE6\xBC\xA2\xE5\xAD\x97")),
            "name  n\n\xE6\xBC\xA2\xE5\xAD\x97  1\n");
}

TEST(Table, CsvIsUtf8WithoutWhatATerminalObeys) {
  EXPECT_EQ(table_csv(with_name("a\nb\x1b[0m\xE8\t=")),
            "name,n\n\"a\nb\\u001b[0m\xEF\xBF\xBD\t=\",1\n");
  EXPECT_EQ(csv_field("gr\xC3\xB6n"), "gr\xC3\xB6n");
}

TEST(Table, MarkdownShowsNamesAsTheyAre) {
  EXPECT_EQ(markdown_text("[x](http://y) [z]"), "[x\\](http://y) [z]");
  EXPECT_EQ(markdown_text("~a~ $b$ &lt; & <i>"), "\\~a\\~ \\$b\\$ \\&lt; & \\<i>");
  EXPECT_EQ(markdown_text("two\nlines\x1b\xE8"), "two lines\\\\u001b\xEF\xBF\xBD");
}

TEST(Table, RowsHaveAsManyCellsAsColumns) {
  Table table = example();
  EXPECT_THROW(table.add_row({"short"}), std::logic_error);
}

TEST(Table, StylesForPeople) {
  EXPECT_EQ(cell_text(0.91237, CellStyle::kRate), "0.9124");
  EXPECT_EQ(cell_text(-0.00123, CellStyle::kDelta), "-0.12");
  EXPECT_EQ(cell_text(4.0, CellStyle::kFixed2), "4.00");
  EXPECT_EQ(cell_text(1234567.0, CellStyle::kInteger), "1234567");
  EXPECT_EQ(cell_text(0.000012345, CellStyle::kShort), "1.234e-05");
}

RC_GTEST_PROP(Table, CsvNumbersReadBackTheSame, (double value)) {
  Table table{"t", "", {{"x", "x", CellStyle::kShort}}, {}};
  table.add_row({value});
  const std::string csv = table_csv(table);
  RC_ASSERT(std::strtod(csv.c_str() + 2, nullptr) == value);
}

}  // namespace
}  // namespace narrow
