#include "data/pictures/picture_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/testing/expected_error.h"
#include "base/testing/temporary_directory.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PictureListTest : public TemporaryDirectoryTest {
 protected:
  [[nodiscard]] fs::path at(const std::string& name) const { return directory() / name; }

  void put(const std::string& name, const std::string& text = "picture") const {
    fs::create_directories(at(name).parent_path());
    fs::remove(at(name));
    OutputFile file(at(name));
    file.write(text);
    file.finish();
  }

  // "LABEL NAME", names below the test's directory.
  [[nodiscard]] std::vector<std::string> entries(const PictureList& list) const {
    std::vector<std::string> texts;
    for (const Picture& picture : list.pictures) {
      texts.push_back(std::to_string(picture.label) + " " +
                      fs::relative(picture.path, directory()).string());
    }
    return texts;
  }

  [[nodiscard]] std::string refusal(ErrorCategory category, const std::string& name) const {
    return error_message(category, [&] { list_pictures(at(name)); });
  }
};

TEST_F(PictureListTest, FoldersAreClassesInOrder) {
  for (const char* name : {"set/dog/2", "set/dog/10", "set/Cat/a", "set/ant/.hidden", "set/ant/x",
                           "set/.cache/x", "set/labels.txt"}) {
    put(name);
  }
  fs::create_directory(at("set/empty"));
  const PictureList list = list_pictures(at("set"));
  EXPECT_THAT(list.classes, ElementsAre("Cat", "ant", "dog", "empty"));
  EXPECT_THAT(entries(list),
              ElementsAre("0 set/Cat/a", "1 set/ant/x", "2 set/dog/10", "2 set/dog/2"));
  EXPECT_FALSE(list.has_more_classes);
  EXPECT_EQ(list.path, at("set"));
}

TEST_F(PictureListTest, RefusesFoldersThatAreNoClasses) {
  put("nested/train/cat/a");
  EXPECT_THAT(refusal(ErrorCategory::kUsage, "nested"),
              HasSubstr("nested/train/cat is a folder within the class train"));
  fs::create_directories(at("nothing/cat"));
  EXPECT_THAT(refusal(ErrorCategory::kNotFound, "nothing"),
              HasSubstr("has no pictures in folders named like their classes"));
  EXPECT_THAT(refusal(ErrorCategory::kNotFound, "missing"), HasSubstr("missing"));
}

TEST_F(PictureListTest, TablesHaveNumbersOrNames) {
  put("set/a.jpg");
  put("b.png");
  put("set/numbers.csv", "file,label\n../b.png,3\na.jpg,0\n" + at("b.png").string() + ",3\n");
  const PictureList numbers = list_pictures(at("set/numbers.csv"));
  EXPECT_THAT(entries(numbers), ElementsAre("3 b.png", "0 set/a.jpg", "3 b.png"));
  EXPECT_THAT(numbers.classes, ElementsAre("0", "1", "2", "3"));
  EXPECT_TRUE(numbers.has_more_classes);
  put("set/names.csv", "file,label\na.jpg,tench\n../b.png,hen\na.jpg,tench\n");
  const PictureList names = list_pictures(at("set/names.csv"));
  EXPECT_THAT(entries(names), ElementsAre("1 set/a.jpg", "0 b.png", "1 set/a.jpg"));
  EXPECT_THAT(names.classes, ElementsAre("hen", "tench"));
  EXPECT_FALSE(names.has_more_classes);
}

TEST_F(PictureListTest, NamesTheLineOfATable) {
  put("a");
  put("t.csv", "file,label\na,0\nmissing,1\n");
  EXPECT_EQ(refusal(ErrorCategory::kNotFound, "t.csv"), "line 3 of " + at("t.csv").string() +
                                                            " names " + at("missing").string() +
                                                            ", which does not exist");
  put("t.csv", "file,label\n.,0\n");
  EXPECT_THAT(refusal(ErrorCategory::kNotFound, "t.csv"), HasSubstr("which is a folder"));
  put("t.csv", "file,label\na,0\na,cat\n");
  EXPECT_THAT(refusal(ErrorCategory::kCorrupt, "t.csv"),
              HasSubstr("has the label 'cat', a name, where the first picture has a number"));
  put("t.csv", "file,label\na,cat\na,-1\na,0\n");
  EXPECT_THAT(refusal(ErrorCategory::kCorrupt, "t.csv"),
              HasSubstr("line 4 of " + at("t.csv").string() + " has the label '0', a number"));
  put("t.csv", "file,label\na,1048576\n");
  EXPECT_THAT(refusal(ErrorCategory::kCorrupt, "t.csv"),
              HasSubstr("has the label 1048576; the greatest that is read is 1048575"));
}

}  // namespace
}  // namespace narrow
