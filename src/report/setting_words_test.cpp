#include "report/setting_words.h"

#include <gtest/gtest.h>

namespace fakequant::report {
namespace {

TEST(SettingText, SaysWhichDefaultWasUsed) {
  EXPECT_EQ(setting_text("context", Json()),
            "default: 512, or the model's training context where that is smaller");
  EXPECT_EQ(setting_text("batch", Json()), "default: 2048");
  EXPECT_EQ(setting_text("threads", Json()), "default: as the run was started");
  EXPECT_EQ(setting_text("gpu_layers", Json()), "default: all");
}

TEST(SettingText, IsTheValueWhereOneWasSaid) {
  EXPECT_EQ(setting_text("context", Json(128)), "128");
  EXPECT_EQ(setting_text("imatrix", Json()), "none");
}

TEST(SettingText, OfATextWithoutALimitSaysAll) {
  EXPECT_EQ(setting_text("chunks_of_texts", Json::array({32, nullptr})), "32, all");
}

}  // namespace
}  // namespace fakequant::report
