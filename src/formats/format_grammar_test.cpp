#include "formats/format_grammar.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/testing.h"

namespace fakequant {
namespace {

using namespace formats_testing;

// The message of a UsageError, "" when the text is a format.
std::string error_of(const std::string& text) {
  try {
    parse_format(text);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

void expect_canonical(const std::string& text) {
  Format format = parse_format(text);
  EXPECT_EQ(parse_format(format.name), format) << text;
  EXPECT_EQ(parse_format(format.name).name, format.name) << text;
}

TEST(ParseFormat, CanonicalNamesParseToThemselves) {
  for (const std::string& name : every_own_format()) expect_canonical(name);
  for (const CatalogEntry& entry : catalog()) {
    expect_canonical(entry.name);
    EXPECT_EQ(parse_format(entry.format.name), entry.format) << entry.name;
  }
  expect_canonical(generic_float_entry().format.name);
}

TEST(ParseFormat, CanonicalNamesOfEveryGenericFloatParseToThemselves) {
  for (int exponent_bits = 2; exponent_bits <= 8; ++exponent_bits) {
    for (int mantissa_bits = 0; mantissa_bits <= 22; ++mantissa_bits) {
      for (const char* kind : {"ieee", "fn", "fnuz", "finite"}) {
        std::string name = fmt::format("e{}m{}:{}", exponent_bits, mantissa_bits, kind);
        bool fits = exponent_bits < 8 || name.ends_with("ieee") || name.ends_with("fnuz");
        EXPECT_EQ(error_of(name).empty(), fits) << name;
        if (!fits) continue;
        for (const char* rounding : {"", ":rtz", ":rna", ":sr"}) {
          expect_canonical(name + rounding);
          expect_canonical(name + rounding + ":sat");
          if (!name.ends_with("finite")) expect_canonical(name + rounding + ":inf");
        }
        EXPECT_EQ(error_of(name + ":row").empty(), exponent_bits <= 5) << name;
        const auto grid = std::get<FloatGrid>(own_format(name).grid);
        EXPECT_EQ(grid.exponent_bits, exponent_bits);
        EXPECT_EQ(grid.mantissa_bits, mantissa_bits);
      }
    }
  }
}

struct Spelling {
  const char* text;
  const char* full_name;
};

TEST(ParseFormat, FullNamesHoldEverythingThatDecidesTheNumbers) {
  const Spelling spellings[] = {
      {"bf16", "bf16:rne"},
      {"F16:SAT", "f16:rne:sat"},
      {"bf16:inf", "bf16:rne"},
      {"f16:sat:rna", "f16:rna:sat"},
      {"int4:group=32", "int4:group=32:restricted:rne"},
      {"INT8:Tensor:FULL", "int8:tensor:full:rne"},
      {"int5:asym:scale_type=bf16:group=128", "int5:group=128:asym:rne:scale_type=bf16"},
      {"e4m3:inf", "e4m3:rne:inf"},
      {"e4m3:sat", "e4m3:rne"},
      {"e4m3:row:scale_type=f16:rtz", "e4m3:row:rtz:scale_type=f16"},
      {"mxfp4", "mxfp4:scale=floor:rne"},
      {"mxfp8_e5m2:rtz:scale=rceil", "mxfp8_e5m2:scale=rceil:rtz"},
      {"nvfp4:sr", "nvfp4:sr"},
      {"nf4", "nf4:group=64:rne"},
      {"nf4:row:scale_type=bf16", "nf4:row:rne:scale_type=bf16"},
      {"e3m4:rtz:finite", "e3m4:finite:rtz"},
      {" q4_k ", "q4_k"},
      {"Q4_K", "q4_k"},
      {"f32", "f32"},
      // A kind that a name of the catalog has is that name.
      {"e4m3:fn", "e4m3:rne"},
      {"e2m1:finite", "e2m1:rne"},
      {"e4m3:fnuz", "e4m3fnuz:rne"},
      {"e5m10:ieee", "f16:rne"},
      {"e8m7:ieee", "bf16:rne"},
      {"e8m10:ieee", "tf32:rne"},
      // Spelling out ieee asks for what ieee does with overflow.
      {"e5m2", "e5m2:rne"},
      {"e5m2:ieee", "e5m2:rne:inf"},
      {"e5m2:ieee:sat", "e5m2:rne"},
      {"e5m2:ieee:row", "e5m2:row:rne"},
      {"e4m3:ieee", "e4m3:ieee:rne"},
      {"e4m3:ieee:sat", "e4m3:ieee:rne:sat"},
  };
  for (const auto& [text, full_name] : spellings) EXPECT_EQ(parse_format(text).name, full_name) << text;
}

TEST(ParseFormat, EqualNamesAreEqualFormatsWhateverTheirSpelling) {
  EXPECT_EQ(parse_format("int4"), parse_format("INT4:rne:restricted:row"));
  EXPECT_FALSE(parse_format("int4") == parse_format("int4:rtz"));
  EXPECT_FALSE(parse_format("mxfp4") == parse_format("mxfp4_ggml"));
  EXPECT_FALSE(parse_format("e4m3") == parse_format("e4m3:finite"));
}

struct Mistake {
  const char* text;
  std::vector<const char*> named;  // what the message says: the part that is wrong, what may stand there
};

TEST(ParseFormat, ErrorsNameThePartAndWhatMayStandThere) {
  const Mistake mistakes[] = {
      {"bf61", {"'bf61'", "did you mean bf16"}},
      {"bf16:rtx", {"'rtx'", "rne", "rtz", "rna", "sr", "sat", "inf"}},
      {"q4_k:rtz", {"q4_k takes no parameters", "'rtz'"}},
      {"f32:rtz", {"f32 takes no parameters"}},
      {"int4:row:tensor", {"scale extent is given twice", "'tensor'"}},
      {"int4:row:group=32", {"scale extent is given twice", "'group=32'"}},
      {"mxfp4:scale=floor:scale=ceil", {"scale rule is given twice"}},
      {"bf16:rne:rne", {"rounding is given twice"}},
      {"e4m3:fn:fnuz", {"kind is given twice", "'fnuz'"}},
      {"int4:sat",
       {"'sat'", "no parameter", "tensor", "row", "group=N", "restricted", "full", "asym", "scale_type=f16"}},
      {"mxfp4:row", {"'row'", "no parameter", "scale=floor", "scale=rceil", "rne"}},
      {"mxfp4:group=16", {"'group=16'", "no parameter"}},
      {"mxfp4:sat", {"'sat'", "no parameter"}},
      {"mxint8:full", {"'full'", "no parameter"}},
      {"nvfp4:scale=ceil", {"'scale=ceil'", "no parameter", "rne"}},
      {"nvfp4:scale_type=f16", {"'scale_type=f16'", "no parameter"}},
      {"nf4:restricted", {"'restricted'", "no parameter", "group=N"}},
      {"mxfp4:scale=flor", {"'scale=flor'", "did you mean scale=floor"}},
      {"e4m3:scale_type=f16", {"no scale to store", ":tensor, :row or :group=N"}},
      {"e4m3:row:inf", {"nothing becomes Inf"}},
      {"e2m1:inf", {"e2m1", "neither Inf nor NaN"}},
      {"e3m4:finite:inf", {"a finite grid", "neither Inf nor NaN"}},
      {"bf16:row", {"'row'", "no parameter"}},
      {"bf16:scale_type=f16", {"no parameter"}},
      {"e8m3:fn", {"eight exponent bits", "ieee or fnuz"}},
      {"e8m3:finite", {"eight exponent bits", "ieee or fnuz"}},
      {"e3m4", {"which kind", "ieee, fn, fnuz or finite"}},
      {"e3m4:rtz", {"which kind"}},
      {"e1m2:finite", {"e1m2", "e2m0 to e8m22", "int2 to int16"}},
      {"e9m2:ieee", {"e9m2", "e2m0 to e8m22"}},
      {"e5m23:ieee", {"e5m23", "e2m0 to e8m22"}},
      {"bf16:ieee", {"'ieee'", "no parameter"}},
      {"int4:group=0", {"'group=0'", "group=N with N from 1 to 65536"}},
      {"int4:group=65537", {"'group=65537'", "from 1 to 65536"}},
  };
  for (const auto& [text, named] : mistakes) {
    std::string error = error_of(text);
    EXPECT_NE(error.find(fmt::format("format '{}'", text)), std::string::npos) << error;
    for (const char* part : named)
      EXPECT_NE(error.find(part), std::string::npos) << text << ": " << error << " lacks " << part;
  }
  for (const char* text : {"",
                           ":",
                           "bf16:",
                           "bf16::rtz",
                           "int4:group",
                           "int4:group=",
                           "int4:group=-1",
                           "int4:group=1x",
                           "int4:group=9999999999999",
                           "int1",
                           "int17",
                           "int04",
                           "bf16 rtz",
                           "q8_1",
                           "q8_k",
                           "i8",
                           "e4",
                           "e4m",
                           "em3",
                           "e04m3:fn",
                           "e4m03:fn",
                           "e4m3fn",
                           "e100m3:ieee",
                           "mxfp4_e2m1",
                           "x\x01"}) {
    EXPECT_NE(error_of(text), "") << text;
  }
}

TEST(ParseFormatList, TakesEachFormatOnce) {
  std::vector<Format> formats = parse_format_list("bf16:rtz,MXFP4 , int4:group=32");
  ASSERT_EQ(formats.size(), 3u);
  EXPECT_EQ(formats[0].name, "bf16:rtz");
  EXPECT_EQ(formats[1].name, "mxfp4:scale=floor:rne");
  EXPECT_EQ(formats[2].name, "int4:group=32:restricted:rne");
  EXPECT_EQ(parse_format_list("f32").size(), 1u);
}

TEST(ParseFormatList, RefusesTheSameFormatInAnySpellingAndWhatIsNone) {
  try {
    parse_format_list("int4,bf16,int4:row:rne");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("int4:row:restricted:rne is given twice"), std::string::npos)
        << error.what();
  }
  for (const char* text : {"", ",", "bf16,", ",bf16", "bf16,bf61", "bf16;f16"})
    EXPECT_THROW(parse_format_list(text), UsageError) << text;
}

std::string help_of(const char* text) {
  std::string help;
  for (const ParameterHelp& line : parameters_of(parse_format(text)))
    help += line.spelling + " " + line.meaning + "\n";
  return help;
}

TEST(ParametersOf, EveryWordThatHelpShowsParses) {
  for (const CatalogEntry& entry : catalog()) {
    for (const ParameterHelp& line : parameters_of(entry.format)) {
      ASSERT_EQ(line.spelling[0], ':');
      std::vector<std::string> words = split(line.spelling.substr(1), '|');
      size_t equals = words[0].find('=');
      for (size_t i = 0; i < words.size(); ++i) {
        std::string word = words[i];
        if (word == "group=N") {
          word = "group=32";
        } else if (i > 0 && equals != std::string::npos) {
          word = words[0].substr(0, equals + 1) + word;
        }
        // What is about a scale asks for one; finite grids have no Inf.
        std::string error = error_of(entry.name + ":" + word);
        bool conditional = error.find("no scale to store") != std::string::npos ||
                           error.find("neither Inf nor NaN") != std::string::npos;
        EXPECT_TRUE(error.empty() || conditional) << error;
      }
    }
  }
}

TEST(ParametersOf, NamesTheDefaultsAndNothingForGgmlAndF32) {
  EXPECT_EQ(help_of("q4_k"), "");
  EXPECT_EQ(help_of("f32"), "");
  EXPECT_NE(help_of("int4").find(":tensor|row|group=N"), std::string::npos) << help_of("int4");
  EXPECT_NE(help_of("int4").find("default row"), std::string::npos);
  EXPECT_NE(help_of("int4").find("default restricted"), std::string::npos);
  EXPECT_NE(help_of("mxfp4").find(":scale=floor|ceil|rceil|even"), std::string::npos) << help_of("mxfp4");
  EXPECT_NE(help_of("mxfp4").find("default floor"), std::string::npos);
  EXPECT_NE(help_of("bf16").find(":rne|rtz|rna|sr"), std::string::npos);
  EXPECT_NE(help_of("e4m3").find("default sat"), std::string::npos) << help_of("e4m3");
  EXPECT_NE(help_of("f16").find("default inf"), std::string::npos);
  EXPECT_NE(help_of("e4m3").find(":ieee|fn|fnuz|finite"), std::string::npos);
}

TEST(ParseFormat, KnowsWhatOtherToolsCallOurFormats) {
  EXPECT_NE(error_of("bfloat16").find("did you mean bf16?"), std::string::npos);
  EXPECT_NE(error_of("float8_e4m3fn").find("did you mean e4m3?"), std::string::npos);
  EXPECT_NE(error_of("mxfp8").find("did you mean mxfp8_e4m3 or mxfp8_e5m2?"), std::string::npos);
}

TEST(ParseFormat, QuotesLongInputInPart) {
  EXPECT_LT(error_of(std::string(100'000, 'a')).size(), 400u);
  EXPECT_LT(error_of("e4m3:" + std::string(100'000, 'a')).size(), 500u);
}

}  // namespace
}  // namespace fakequant
