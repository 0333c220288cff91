#include "data/pictures/picture_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/expected_error.h"
#include "narrow/error.h"

namespace narrow {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string rows_text(std::string_view table) {
  std::string text;
  for (const PictureRow& row : parse_picture_table(table, "t.csv")) {
    text += std::to_string(row.line) + "|" + row.file + "|" + row.label + ";";
  }
  return text;
}

std::string refusal(std::string_view table) {
  return error_message(ErrorCategory::kCorrupt, [&] { parse_picture_table(table, "t.csv"); });
}

TEST(PictureTable, FindsTheTwoColumns) {
  EXPECT_EQ(rows_text("file,label\na.jpg,0\nb/c.png,12\n"), "2|a.jpg|0;3|b/c.png|12;");
  EXPECT_EQ(rows_text("x,label,y,file\n1,cat,2,a\n,dog,,b"), "2|a|cat;3|b|dog;");
}

TEST(PictureTable, UnderstandsEveryEndOfALine) {
  EXPECT_EQ(rows_text("file,label\r\na,0\r\n\r\nb,1\r\n"), "2|a|0;4|b|1;");
  EXPECT_EQ(rows_text("\n\nfile,label\n\na,0\n\n\n"), "5|a|0;");
  EXPECT_EQ(rows_text("file,label\na,0\r"), "2|a|0;");
  EXPECT_EQ(rows_text("\xef\xbb\xbf"
                      "file,label\na,0"),
            "2|a|0;");
}

TEST(PictureTable, UnderstandsQuotations) {
  EXPECT_EQ(rows_text("\"file\",label\n\"a,\"\"b\"\"\",\"x\"\n"), "2|a,\"b\"|x;");
  EXPECT_EQ(rows_text("file,label\n\"a\nb\",0\nc,1\n"), "2|a\nb|0;4|c|1;");
  EXPECT_EQ(rows_text("file,label\na\"b,0\n"), "2|a\"b|0;");
}

TEST(PictureTable, NamesTheLineThatItCannotRead) {
  EXPECT_THAT(refusal(""), HasSubstr("t.csv is empty"));
  EXPECT_THAT(refusal("file,label\n"), HasSubstr("t.csv names no pictures"));
  EXPECT_THAT(refusal("a.jpg,0\n"), StartsWith("line 1 of t.csv is the header, and names no column "
                                               "'file'"));
  EXPECT_THAT(refusal("file\na\n"), HasSubstr("names no column 'label'"));
  EXPECT_THAT(refusal("file,label,file\na,0,b\n"), HasSubstr("names the column 'file' twice"));
  EXPECT_EQ(refusal("file,label\na,0\nb\n"), "line 3 of t.csv has 1 fields, the header 2");
  EXPECT_EQ(refusal("file,label\na,0,1\n"), "line 2 of t.csv has 3 fields, the header 2");
  EXPECT_EQ(refusal("file,label\n,0\n"), "line 2 of t.csv names no file");
  EXPECT_EQ(refusal("file,label\na,\n"), "line 2 of t.csv has no label");
  EXPECT_THAT(refusal("file,label\n\"a,0\n"), StartsWith("line 2 of t.csv begins a quotation"));
  EXPECT_THAT(refusal("file,label\n\"a\"b,0\n"), HasSubstr("goes on behind the end"));
  EXPECT_THAT(refusal(std::string_view("file,label\na\0b,0\n", 17)), HasSubstr("NUL byte"));
}

}  // namespace
}  // namespace narrow
