#include "record/file_lock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "record/journal.h"
#include "record/testing.h"

namespace fakequant {
namespace {

using namespace record_testing;

// A process of its own that opens the journal, says so, and waits to be told to end.
class OtherWriter {
 public:
  explicit OtherWriter(const std::string& path) {
    FQ_CHECK(pipe(ready_) == 0);
    process_ = fork();
    if (process_ == 0) {
      Journal journal(path, kRunJournal, {});
      FQ_CHECK(write(ready_[1], "x", 1) == 1);
      for (;;) pause();
    }
    char byte;
    FQ_CHECK(::read(ready_[0], &byte, 1) == 1);
  }
  ~OtherWriter() { end(); }
  void end() {
    if (process_ <= 0) return;
    kill(process_, SIGKILL);
    waitpid(std::exchange(process_, 0), nullptr, 0);
    close(ready_[0]);
    close(ready_[1]);
  }
  pid_t process() const { return process_; }

 private:
  int ready_[2];
  pid_t process_;
};

TEST(FileLock, RefusesASecondProcessAndNamesTheFirst) {
  TestFolder folder;
  std::string path = folder.at("j");
  OtherWriter other(path);
  std::string process =
      std::filesystem::exists("/proc/locks") ? fmt::format("process {}", other.process()) : "another process";
  EXPECT_EQ(error_of([&] { Journal(path, kRunJournal, {}); }),
            path + ": found it open for writing in " + process +
                ", wanted to be the only writer; wait until that has ended");
  EXPECT_EQ(read_journal(path, kRunJournal).size(), 0u);  // readers may
  other.end();                                            // killed: nobody unlocks it
  EXPECT_NO_THROW(Journal(path, kRunJournal, {}));
}

TEST(FileLock, RefusesASecondWriterOfThisProcess) {
  TestFolder folder;
  Journal first(folder.at("j"), kRunJournal, {});
  EXPECT_NE(error_of([&] { Journal(folder.at("j"), kRunJournal, {}); }).find("wanted to be the only writer"),
            std::string::npos);
  read_journal(folder.at("j"), kRunJournal);  // closing what was read does not unlock it
  EXPECT_NE(error_of([&] { Journal(folder.at("j"), kRunJournal, {}); }).find("wanted to be the only writer"),
            std::string::npos);
}

TEST(FileLock, IsNotHeldByAProgramThatWasStarted) {
  TestFolder folder;
  pid_t child;
  {
    Journal journal(folder.at("j"), kRunJournal, {});
    int started[2];  // its end for writing closes when the program has taken the place of this one
    ASSERT_EQ(pipe2(started, O_CLOEXEC), 0);
    child = fork();
    if (child == 0) {
      execl("/bin/sleep", "sleep", "600", nullptr);
      _exit(1);
    }
    close(started[1]);
    char byte;
    ASSERT_EQ(::read(started[0], &byte, 1), 0);
    close(started[0]);
  }
  EXPECT_NO_THROW(Journal(folder.at("j"), kRunJournal, {}));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST(FileLock, TwoProcessesThatAppendInTurnLoseNothing) {
  TestFolder folder;
  constexpr int kEach = 20;
  std::vector<pid_t> children;
  for (int writer = 0; writer < 2; ++writer) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    for (int i = 0; i < kEach;) {
      try {
        Journal(folder.at("j"), kRunJournal, {}).append(Json{{"number", writer * kEach + i}});
        ++i;
      } catch (const Error& error) {
        if (std::string_view(error.what()).find("only writer") == std::string_view::npos) _exit(1);
        std::this_thread::yield();
      }
    }
    _exit(0);
  }
  for (pid_t child : children) {
    int status;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  std::vector<bool> seen(2 * kEach);
  for (const Record& record : read_journal(folder.at("j"), kRunJournal))
    seen.at(record.fields["number"].get<size_t>()) = true;
  EXPECT_EQ(std::count(seen.begin(), seen.end(), true), 2 * kEach);
}

}  // namespace
}  // namespace fakequant
