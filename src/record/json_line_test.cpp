#include "record/json_line.h"

#include <limits>

#include "record/testing.h"

namespace fakequant {
namespace {

using namespace record_testing;

std::string refusal(std::string_view line) {
  return error_of([&] { parse_json_line(line, "f:7"); });
}

std::string nested(size_t levels, const std::string& open, const std::string& close,
                   const std::string& inner) {
  std::string result = inner;
  std::string before, after;
  for (size_t i = 0; i < levels; ++i) {
    before += open;
    after += close;
  }
  return before + inner + after;
}

TEST(JsonLine, RoundTripsWhatRecordsHold) {
  Json object{{"z", 1}, {"a", {1.5, -0.0, nullptr, true}}, {"text", "a\nb\"é\x01"}, {"count", UINT64_MAX}};
  std::string line = json_line(object);
  EXPECT_EQ(
      line,
      "{\"z\":1,\"a\":[1.5,-0.0,null,true],\"text\":\"a\\nb\\\"é\\u0001\",\"count\":18446744073709551615}\n");
  Json read = parse_json_line(std::string_view(line).substr(0, line.size() - 1), "f:1");
  EXPECT_EQ(read, object);
  EXPECT_EQ(json_line(read), line);
}

TEST(JsonLine, NamesNonFiniteNumbersNullAndReplacesWhatIsNotUtf8) {
  double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(json_line(Json{{"x", infinity}, {"y", "\xff|"}}), "{\"x\":null,\"y\":\"\xEF\xBF\xBD|\"}\n");
}

TEST(ParseJsonLine, RefusesWhatIsNoObject) {
  EXPECT_EQ(refusal(""), "f:7: found '', wanted a JSON object");
  EXPECT_EQ(refusal("[1]"), "f:7: found '[1]', wanted a JSON object");
  EXPECT_EQ(refusal("\xEF\xBB\xBF{}"), "f:7: found '\xEF\xBB\xBF{}', wanted a JSON object");
  EXPECT_EQ(refusal("{\"a\":1"), "f:7: found no JSON at byte 7 of the line, wanted a JSON object");
  EXPECT_EQ(refusal("{} {}"), "f:7: found no JSON at byte 4 of the line, wanted a JSON object");
  EXPECT_EQ(refusal("{/**/}"), "f:7: found no JSON at byte 2 of the line, wanted a JSON object");
  EXPECT_EQ(refusal("{\"a\":NaN}"), "f:7: found no JSON at byte 6 of the line, wanted a JSON object");
}

TEST(ParseJsonLine, RefusesBytesThatAreNoText) {
  EXPECT_EQ(refusal(std::string_view("{}\0{}", 5)),
            "f:7: found a zero byte at byte 3 of the line, wanted JSON");
  EXPECT_EQ(refusal("{\"a\":\"\xff\"}"), "f:7: found no JSON at byte 7 of the line, wanted a JSON object");
  EXPECT_EQ(refusal("{\"a\":\"\xed\xa0\x80\"}"),
            "f:7: found no JSON at byte 8 of the line, wanted a JSON object");
}

TEST(ParseJsonLine, RefusesAKeyTwice) {
  EXPECT_EQ(refusal("{\"a\":1,\"a\":2}"), "f:7: found the key 'a' twice in one object, wanted it once");
  EXPECT_EQ(refusal("{\"a\":[{\"b\":1,\"\\u0062\":2}]}"),
            "f:7: found the key 'b' twice in one object, wanted it once");
  EXPECT_EQ(parse_json_line("{\"a\":{\"a\":[{\"a\":1},{\"a\":2}]}}", "f:7").size(), 1u);
}

TEST(ParseJsonLine, RefusesNumbersBeyondDouble) {
  EXPECT_EQ(refusal("{\"a\":1e999}"), "f:7: found a number too large for a double, wanted a smaller one");
  EXPECT_EQ(parse_json_line("{\"a\":1e308}", "f:7")["a"], 1e308);
}

TEST(ParseJsonLine, RefusesDeepNestingWithoutRecursion) {
  std::string as_deep_as_may_be = nested(kMostNesting, "{\"a\":", "}", "1");
  EXPECT_EQ(parse_json_line(as_deep_as_may_be, "f:7").size(), 1u);
  std::string wanted = "f:7: found JSON nested deeper than 64 levels, wanted at most that";
  EXPECT_EQ(refusal(nested(kMostNesting + 1, "{\"a\":", "}", "1")), wanted);
  EXPECT_EQ(refusal("{\"a\":" + nested(kMostNesting, "[", "]", "") + "}"), wanted);
  for (size_t levels : {100'000u, 1'000'000u}) {
    EXPECT_EQ(refusal(nested(levels, "{\"a\":", "}", "1")), wanted);
    EXPECT_EQ(refusal("{\"a\":" + nested(levels, "[", "", "")), wanted);
  }
}

TEST(ParseJsonLine, ReadsLinesOfAHundredMillionBytesAndRefusesEndlessOnes) {
  std::string line = "{\"a\":\"" + std::string(100'000'000, 'x') + "\"}";
  EXPECT_EQ(parse_json_line(line, "f:7")["a"].get_ref<const std::string&>().size(), 100'000'000u);
  std::string limit(kMostLineBytes - 8, 'x');
  EXPECT_EQ(parse_json_line("{\"a\":\"" + limit + "\"}", "f:7").size(), 1u);
  EXPECT_EQ(refusal("{\"a\":\"x" + limit + "\"}"),
            "f:7: found a line of 268,435,457 bytes, wanted at most 268,435,456");
}

}  // namespace
}  // namespace fakequant
