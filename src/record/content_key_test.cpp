#include "record/content_key.h"

#include <sys/stat.h>

#include <limits>
#include <utility>

#include "record/testing.h"

namespace fakequant {
namespace {

using namespace record_testing;

std::string patterned(size_t size) {
  std::string result(size, '\0');
  for (size_t i = 0; i < size; ++i) result[i] = static_cast<char>(i * 131 + i / 251);
  return result;
}

// All digits here are what `xxhsum -H2` 0.8.1 prints of the same bytes.

TEST(BytesKey, IsWhatXxhsumPrints) {
  EXPECT_EQ(bytes_key(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(bytes_key("abc"), "06b05ab6733a618578af5f94892f3950");
  EXPECT_EQ(bytes_key("30"), "0b165d236bdc00c3213488a6525340f6");  // halves that begin with zeros
  EXPECT_EQ(bytes_key("7"), "dbd6a1e71414294c06eed105b82285fa");
  EXPECT_EQ(bytes_key(patterned(1)), "a6cd5e9392000f6ac44bdff4074eecdb");
  EXPECT_EQ(bytes_key(patterned(16)), "248181305d3c1039adebb1d9d080b69c");
  EXPECT_EQ(bytes_key(patterned(129)), "fc1d02037be48a62821740ece8839b64");
  EXPECT_EQ(bytes_key(patterned(241)), "d894c74b1b3ea28f44dbd3180a664e27");
  EXPECT_EQ(bytes_key(patterned(1000)), "a4f9dd62d9055d65f3f79bcb1150f228");
}

TEST(ContentKey, IsThatOfCompactTextWithOrderedKeys) {
  Json value{{"b", {true, nullptr, "x"}}, {"a", 1}};
  EXPECT_EQ(content_key(value), "f4b7cab7372fb0b503f89e2fadb07c5b");  // {"a":1,"b":[true,null,"x"]}
  Json nested{{"z", {{"b", -0.0}, {"a", 0.1}}}, {"é", "\n"}};
  EXPECT_EQ(content_key(nested), bytes_key(R"({"z":{"a":0.1,"b":-0.0},"é":"\n"})"));
}

TEST(ContentKey, DoesNotDependOnTheOrderOfKeysButOfElements) {
  Json one = Json::parse(R"({"a": {"x": 1, "y": [1, 2]}, "b": 2})");
  Json other = Json::parse(R"({"b": 2, "a": {"y": [1, 2], "x": 1}})");
  ASSERT_NE(one.dump(), other.dump());
  EXPECT_EQ(content_key(one), content_key(other));
  other["a"]["y"] = {2, 1};
  EXPECT_NE(content_key(one), content_key(other));
}

TEST(ContentKey, TellsWholeNumbersFromOthersAndTakesNonFiniteOnesForNull) {
  EXPECT_EQ(content_key(Json(1)), "df3ce784d856334d65cd25028f98f158");
  EXPECT_EQ(content_key(Json(1.0)), "2630a41b503a9f4bed84d7031aa12bce");
  EXPECT_EQ(content_key(Json(std::numeric_limits<double>::quiet_NaN())), content_key(Json(nullptr)));
}

TEST(ContentKey, RefusesTextsThatAreNotUtf8) {
  EXPECT_EQ(error_of([] {
              content_key(Json{{"name", "a\xff\x1b"}});
            }),
            "no key can be made of {\"name\":\"a\xEF\xBF\xBD\\u001b\"}: a text in it is not UTF-8");
}

TEST(FileKey, IsThatOfAllBytesAndTellsHowFarItIs) {
  TestFolder folder;
  std::string path = folder.write("three blocks", patterned(3 * 1048576 + 5));
  size_t seen = 0;
  EXPECT_EQ(file_key(path, [&](size_t bytes) { seen += bytes; }), "7f030d01fb00bbb3f8e4fab065e34a07");
  EXPECT_EQ(seen, 3u * 1048576 + 5);
  EXPECT_EQ(file_key(folder.write("empty", "")), bytes_key(""));
}

TEST(FileKey, RefusesWhatIsNoRegularFile) {
  TestFolder folder;
  EXPECT_EQ(error_of([&] { file_key(folder.at("none")); }),
            folder.at("none") + ": cannot be opened: No such file or directory");
  EXPECT_EQ(error_of([&] { file_key(folder.path()); }),
            folder.path() + ": found a folder, wanted a regular file");
  EXPECT_EQ(error_of([&] { file_key("/dev/zero"); }),
            "/dev/zero: found a special file, wanted a regular file");
  ASSERT_EQ(mkfifo(folder.at("pipe").c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] { file_key(folder.at("pipe")); }),
            folder.at("pipe") + ": found a special file, wanted a regular file");
}

TEST(FileKey, RefusesAFileThatChangesMeanwhile) {
  TestFolder folder;
  std::string path = folder.write("growing", patterned(2 * 1048576));
  bool has_grown = false;
  auto grow_once = [&](size_t) {
    if (!std::exchange(has_grown, true)) std::ofstream(path, std::ios::app) << "more";
  };
  EXPECT_EQ(error_of([&] { file_key(path, grow_once); }), path + ": changed while it was read");
}

TEST(FilesKey, OfSeveralDependsOnTheirOrder) {
  TestFolder folder;
  std::string a = folder.write("a", "1"), b = folder.write("b", "2");
  EXPECT_EQ(files_key({a}), file_key(a));
  EXPECT_EQ(files_key({a, b}), content_key(Json{file_key(a), file_key(b)}));
  EXPECT_NE(files_key({a, b}), files_key({b, a}));
}

}  // namespace
}  // namespace fakequant
