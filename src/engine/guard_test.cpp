#include "engine/guard.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "gguf/pending_file.h"

namespace fakequant {
namespace {

using testing::ExitedWithCode;
using testing::KilledBySignal;

class CrashGuardDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

volatile int endless_depth = 1 << 30;

// Grows the stack until there is no more.
int recurse(int depth) {
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  return depth == 0 ? 0 : recurse(depth - 1) + frame[0];
}

TEST_F(CrashGuardDeathTest, EverySignalOfACrashEndsInOneSentence) {
  for (int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    EXPECT_EXIT(
        {
          CrashGuard guard("a model.gguf", "loading it");
          raise(number);
        },
        ExitedWithCode(1), "^fakequant: a model.gguf: llama.cpp crashed while loading it: it [a-z ,]+\n$")
        << number;
  }
}

TEST_F(CrashGuardDeathTest, AnEndlessRecursionIsCaughtInEveryThreadThatHasAGuard) {
  EXPECT_EXIT(
      {
        CrashGuard guard("m", "loading it");
        recurse(endless_depth);
      },
      ExitedWithCode(1), "^fakequant: m: llama.cpp crashed while loading it");
  EXPECT_EXIT(
      {
        std::thread([] {
          CrashGuard guard("m", "running it");
          recurse(endless_depth);
        }).join();
      },
      ExitedWithCode(1), "^fakequant: m: llama.cpp crashed while running it");
}

TEST_F(CrashGuardDeathTest, TheInnermostOfAThreadIsNamedAndForOtherThreadsAnyOne) {
  EXPECT_EXIT(
      {
        CrashGuard outer("outer", "running it");
        { CrashGuard gone("gone", "running it"); }
        CrashGuard inner("inner", "running it");
        raise(SIGSEGV);
      },
      ExitedWithCode(1), "^fakequant: inner: ");
  EXPECT_EXIT(
      {
        CrashGuard outer("outer", "running it");
        { CrashGuard inner("inner", "running it"); }
        raise(SIGSEGV);
      },
      ExitedWithCode(1), "^fakequant: outer: ");
  EXPECT_EXIT(
      {
        CrashGuard guard("m", "running it");
        std::thread([] { raise(SIGSEGV); }).join();
      },
      ExitedWithCode(1), "^fakequant: m: ");
}

TEST_F(CrashGuardDeathTest, AFailedCheckOfOursInAThreadWithoutAGuardKeepsItsMeaning) {
  EXPECT_EXIT(
      {
        CrashGuard guard("m", "running it");
        std::thread([] { std::abort(); }).join();
      },
      KilledBySignal(SIGABRT), "^$");
}

TEST_F(CrashGuardDeathTest, AnExceptionThatNobodyCatchesIsPartOfTheSentence) {
  EXPECT_EXIT(
      {
        CrashGuard guard("m", "running it");
        std::thread([] { throw std::runtime_error("no more of it"); }).join();
      },
      ExitedWithCode(1), "^fakequant: m: llama.cpp crashed while running it: no more of it\n$");
}

TEST_F(CrashGuardDeathTest, AReasonOfAnyLengthIsCut) {
  EXPECT_EXIT(
      {
        CrashGuard guard(std::string(10000, 'p'), std::string(10000, 'w'));
        end_as_crash(std::string(10000, 'r').c_str());
      },
      ExitedWithCode(1), "^fakequant: p{500}: llama.cpp crashed while w{500}: r{1000}\n$");
}

TEST_F(CrashGuardDeathTest, PendingFilesAreRemoved) {
  std::filesystem::path folder = std::filesystem::temp_directory_path() / "fakequant-guard-test";
  std::filesystem::create_directories(folder);
  EXPECT_EXIT(
      {
        PendingFile file((folder / "out.gguf").string(), 0);
        CrashGuard guard("m", "running it");
        raise(SIGSEGV);
      },
      ExitedWithCode(1), "^fakequant: m: ");
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
}

void before(int) {}

TEST(CrashGuard, TheLastOnePutsBackWhatWasThere) {
  struct sigaction original {};
  struct sigaction mine {};
  mine.sa_handler = before;
  mine.sa_flags = SA_RESTART;
  sigaction(SIGFPE, &mine, &original);
  std::terminate_handler terminate = std::get_terminate();
  struct sigaction found {};
  std::optional<CrashGuard> first(std::in_place, "a", "b");
  std::optional<CrashGuard> second(std::in_place, "c", "d");
  first.reset();
  sigaction(SIGFPE, nullptr, &found);
  EXPECT_NE(found.sa_handler, before);
  EXPECT_NE(std::get_terminate(), terminate);
  second.reset();
  sigaction(SIGFPE, nullptr, &found);
  EXPECT_EQ(found.sa_handler, before);
  EXPECT_EQ(found.sa_flags & SA_RESTART, SA_RESTART);
  EXPECT_EQ(std::get_terminate(), terminate);
  sigaction(SIGFPE, &original, nullptr);
}

TEST_F(CrashGuardDeathTest, MoreThanTheTableHoldsWorkWithoutAName) {
  EXPECT_EXIT(
      {
        std::vector<std::unique_ptr<CrashGuard>> guards;
        for (int i = 0; i < 256; ++i) guards.push_back(std::make_unique<CrashGuard>("m", "running it"));
        std::thread([] {
          CrashGuard late("late", "running it");
          raise(SIGSEGV);
        }).join();
      },
      ExitedWithCode(1), "^fakequant: m: ");
}

}  // namespace
}  // namespace fakequant
