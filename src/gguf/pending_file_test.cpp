#include "gguf/pending_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "gguf/testing.h"

namespace fakequant {
namespace {

using namespace gguf_testing;
using Names = std::vector<std::string>;

std::string patterned(size_t size) {
  std::string result(size, '\0');
  for (size_t i = 0; i < size; ++i) result[i] = static_cast<char>(i * 131 + i / 251);
  return result;
}

TEST(PendingFile, AppearsOnlyWhenPublished) {
  TestFolder folder;
  PendingFile file(folder.at("out"), 8);
  file.write(2, byte_span("abc"));
  ASSERT_EQ(folder.names().size(), 1u);
  EXPECT_TRUE(folder.names()[0].starts_with(".out.fakequant-")) << folder.names()[0];
  EXPECT_EQ(folder.names()[0].size(), std::string(".out.fakequant-XXXXXX").size());
  file.sync();
  file.publish(true);
  EXPECT_EQ(folder.names(), Names{"out"});
  EXPECT_EQ(read_file(folder.at("out")), std::string("\0\0abc\0\0\0", 8));
}

TEST(PendingFile, IsRemovedWhenNotPublished) {
  TestFolder folder;
  folder.write("out", "old");
  {
    PendingFile file(folder.at("out"), 8);
    PendingFile moved = std::move(file);
    EXPECT_EQ(folder.names().size(), 2u);
    moved = PendingFile(folder.at("other"), 8);
  }
  EXPECT_EQ(folder.names(), Names{"out"});
  EXPECT_EQ(read_file(folder.at("out")), "old");
}

TEST(PendingFile, ReplacesItsTarget) {
  TestFolder folder;
  folder.write("out", "old and longer");
  PendingFile file(folder.at("out"), 3);
  file.write(0, byte_span("new"));
  file.publish(true);
  EXPECT_EQ(read_file(folder.at("out")), "new");
  EXPECT_EQ(folder.names(), Names{"out"});
}

TEST(PendingFile, WritesWhereALinkLeads) {
  TestFolder folder, other;
  other.write("real", "old");
  std::filesystem::create_symlink(other.at("real"), folder.at("link"));
  PendingFile file(folder.at("link"), 3);
  EXPECT_EQ(other.names().size(), 2u);
  file.write(0, byte_span("new"));
  file.publish(true);
  EXPECT_TRUE(std::filesystem::is_symlink(folder.at("link")));
  EXPECT_EQ(read_file(other.at("real")), "new");
}

TEST(PendingFile, HasThePermissionsOfAnyNewFile) {
  TestFolder folder;
  mode_t old = umask(027);
  PendingFile(folder.at("out"), 1).publish(true);
  umask(old);
  struct stat status;
  ASSERT_EQ(stat(folder.at("out").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(PendingFile, TakesTheLongestNameThereIs) {
  TestFolder folder;
  std::string name(255, 'n');
  PendingFile file(folder.at(name), 1);
  file.publish(true);
  EXPECT_EQ(folder.names(), Names{name});
}

TEST(PendingFile, IsWrittenFromSeveralThreads) {
  TestFolder folder;
  std::string bytes = patterned(1 << 16);
  PendingFile file(folder.at("out"), bytes.size());
  std::vector<std::thread> threads;
  for (size_t part = 0; part < 4; ++part) {
    threads.emplace_back([&, part] {
      for (size_t place = part * 256; place < bytes.size(); place += 4 * 256) {
        file.write(place, byte_span(bytes).subspan(place, 256));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  file.publish(true);
  EXPECT_EQ(read_file(folder.at("out")), bytes);
}

TEST(PendingFile, CopiesRanges) {
  TestFolder folder;
  std::string bytes = patterned(5000000);
  MappedFile source(folder.write("in", bytes));
  PendingFile file(folder.at("out"), 4000010);
  file.copy_from(source, 4097, 10, 4000000);
  file.copy_from(source, 17, 0, 0);
  file.publish(true);
  EXPECT_EQ(read_file(folder.at("out")), std::string(10, '\0') + bytes.substr(4097, 4000000));
}

TEST(PendingFile, CopiesBetweenFileSystemsAndFromMemory) {
  TestFolder folder;
  std::string bytes = patterned(3 << 20);
  // Another file system than the temporary folder's, most likely: then the kernel answers EXDEV on old
  // versions.
  std::string other = "/dev/shm/fakequant-test-" + std::to_string(getpid());
  std::ofstream(other, std::ios::binary) << bytes;
  {
    PendingFile file(folder.at("out"), bytes.size());
    if (access(other.c_str(), R_OK) == 0) {
      file.copy_from(MappedFile(other), 5, 0, bytes.size() - 5);
      unlink(other.c_str());
    } else {
      file.copy_from(MappedFile::over("memory", byte_span(bytes)), 5, 0, bytes.size() - 5);
    }
    file.copy_from(MappedFile::over("memory", byte_span("12345")), 0, bytes.size() - 5, 5);
    file.publish(true);
  }
  EXPECT_EQ(read_file(folder.at("out")), bytes.substr(5) + "12345");
}

TEST(PendingFile, NoticesASourceThatShrank) {
  TestFolder folder;
  std::string path = folder.write("in", patterned(100000));
  MappedFile source(path);
  ASSERT_EQ(truncate(path.c_str(), 60000), 0);
  PendingFile file(folder.at("out"), 100000);
  EXPECT_EQ(
      error_of([&] { file.copy_from(source, 0, 0, 100000); }),
      path +
          ": found its end at byte 60000, wanted 40000 bytes more: the file shrank while it was being read");
}

TEST(PendingFile, ClonesOrSaysThatItCannot) {
  TestFolder folder;
  std::string bytes = patterned(100000);
  MappedFile source(folder.write("in", bytes));
  PendingFile file(folder.at("out"), bytes.size());
  if (!file.clone_from(source)) file.copy_from(source, 0, 0, bytes.size());
  file.publish(true);
  EXPECT_EQ(read_file(folder.at("out")), bytes);
  PendingFile other(folder.at("other"), 1);
  EXPECT_FALSE(other.clone_from(MappedFile::over("memory", byte_span("x"))));
}

TEST(PendingFile, NamesAFullDisk) {
  TestFolder folder;
  int channel[2];
  ASSERT_EQ(pipe(channel), 0);
  pid_t child = fork();
  if (child == 0) {
    // A small disk that only this child sees, and that goes with it.
    bool mounted = unshare(CLONE_NEWNS) == 0 && mount("", "/", "", MS_REC | MS_PRIVATE, nullptr) == 0 &&
                   mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=64k") == 0;
    std::string message = mounted ? error_of([&] {
      PendingFile file(folder.at("out"), 1 << 20);
      file.write(0, byte_span(patterned(1 << 20)));
    })
                                  : "not allowed to mount";
    message += folder.names().empty() ? "" : ", and something is left behind";
    _exit(::write(channel[1], message.data(), message.size()) < 0 ? 1 : 0);
  }
  close(channel[1]);
  std::string message(1000, '\0');
  ssize_t got = read(channel[0], message.data(), message.size());
  close(channel[0]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_GT(got, 0);
  message.resize(static_cast<size_t>(got));
  if (message == "not allowed to mount") GTEST_SKIP() << "a small disk needs the right to mount one";
  EXPECT_EQ(message, folder.at("out") + ": cannot be written: disk full (folder " + folder.path() + ")");
}

TEST(PendingFile, NamesASizeThatNoFileMayHave) {
  TestFolder folder;
  EXPECT_EQ(error_of([&] { PendingFile(folder.at("out"), uint64_t{1} << 63); }),
            folder.at("out") + ": cannot be written in folder " + folder.path() + ": File too large");
  EXPECT_EQ(folder.names(), Names{});
}

TEST(PendingFile, SaysWhyAFolderCannotTakeIt) {
  TestFolder folder;
  EXPECT_EQ(error_of([&] { PendingFile(folder.at("no/out"), 1); }),
            folder.at("no/out") + ": cannot be written in folder " + folder.at("no") +
                ": No such file or directory");
}

TEST(PendingFile, LivesUpTo1024TimesAtOnce) {
  struct rlimit files;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  struct rlimit more = {files.rlim_max, files.rlim_max};
  if (files.rlim_max < 1100 || setrlimit(RLIMIT_NOFILE, &more) != 0)
    GTEST_SKIP() << "too few open files allowed";
  TestFolder folder;
  {
    std::vector<PendingFile> living;
    living.reserve(1024);
    for (int i = 0; i < 1024; ++i) living.emplace_back(folder.at("out"), 0);
    std::string message = error_of([&] { PendingFile(folder.at("out"), 0); });
    EXPECT_NE(message.find("1024 output files are being written already"), std::string::npos) << message;
    living.pop_back();
    EXPECT_EQ(error_of([&] { PendingFile(folder.at("out"), 0); }), "");
  }
  EXPECT_EQ(folder.names(), Names{});
  setrlimit(RLIMIT_NOFILE, &files);
}

TEST(RemovePendingFiles, RemovesThemFromASignalHandler) {
  TestFolder folder;
  pid_t child = fork();
  if (child == 0) {
    signal(SIGTERM, [](int) {
      remove_pending_files();
      _exit(7);
    });
    PendingFile one(folder.at("one"), 10), two(folder.at("two"), 10);
    { PendingFile gone(folder.at("gone"), 10); }
    PendingFile(folder.at("done"), 10).publish(true);
    raise(SIGTERM);
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_EQ(folder.names(), Names{"done"});
}

std::string refusal(const std::string& target, const Names& inputs = {}, bool force = false,
                    uint64_t needed = 0) {
  return error_of([&] { check_output(target, inputs, force, needed); });
}

TEST(CheckOutput, AcceptsANewFileAndWithForceAnOldOne) {
  TestFolder folder;
  EXPECT_EQ(refusal(folder.at("new")), "");
  folder.write("old", "");
  EXPECT_EQ(refusal(folder.at("old"), {folder.at("no such input")}, true), "");
  EXPECT_EQ(refusal(folder.at("old")),
            folder.at("old") + ": exists already; give another name, or --force to replace it");
}

TEST(CheckOutput, RefusesTheInputByAnyName) {
  TestFolder folder;
  std::string input = folder.write("in", "x");
  std::filesystem::create_symlink(input, folder.at("soft"));
  std::filesystem::create_hard_link(input, folder.at("hard"));
  for (const std::string& name : {input, folder.path() + "/./in", folder.at("soft"), folder.at("hard")}) {
    EXPECT_EQ(
        refusal(name, {folder.at("other"), input}, true),
        fmt::format("{}: is the same file as the input {}; wanted another name for the output", name, input));
    EXPECT_NE(refusal(input, {name}, true), "");
  }
}

TEST(CheckOutput, RefusesWhatIsNoFile) {
  TestFolder folder;
  EXPECT_EQ(refusal(folder.path(), {}, true),
            folder.path() + ": is a folder, wanted the name of a file to write");
  EXPECT_EQ(refusal("/dev/null", {}, true),
            "/dev/null: is not a regular file, wanted the name of a file to write");
  EXPECT_EQ(refusal(""), "found an empty name for the output file, wanted a path");
  EXPECT_EQ(refusal(folder.at("no/out")), folder.at("no/out") + ": cannot be written: folder " +
                                              folder.at("no") + ": No such file or directory");
  folder.write("file", "");
  EXPECT_EQ(refusal(folder.at("file/out")),
            folder.at("file/out") + ": cannot be written: " + folder.at("file") + " is no folder");
  std::filesystem::create_symlink(folder.at("nowhere"), folder.at("dangling"));
  EXPECT_EQ(refusal(folder.at("dangling")),
            folder.at("dangling") + ": is a symbolic link that leads nowhere: No such file or directory");
}

TEST(CheckOutput, RefusesAnUnwritableFolder) {
  TestFolder folder;
  ASSERT_EQ(chmod(folder.path().c_str(), 0555), 0);
  // Root may write everywhere: ask as somebody else.
  bool is_root = geteuid() == 0;
  if (is_root && seteuid(65534) != 0)
    GTEST_SKIP() << "root may write everywhere, and cannot become another user here";
  std::string message = refusal(folder.at("out"));
  std::string pending_message = error_of([&] { PendingFile(folder.at("out"), 1); });
  ASSERT_TRUE(!is_root || seteuid(0) == 0);
  chmod(folder.path().c_str(), 0700);
  EXPECT_EQ(message,
            folder.at("out") + ": cannot be written: folder " + folder.path() + ": Permission denied");
  EXPECT_EQ(pending_message,
            folder.at("out") + ": cannot be written in folder " + folder.path() + ": Permission denied");
}

TEST(CheckOutput, RefusesWhenTheDiskHasTooLittleSpace) {
  TestFolder folder;
  std::string message = refusal(folder.at("out"), {}, false, uint64_t{1} << 62);
  EXPECT_TRUE(message.starts_with(folder.at("out") + ": not enough space in folder " + folder.path() +
                                  ": 4.000 EiB needed, "))
      << message;
  EXPECT_TRUE(message.ends_with(" free")) << message;
}

TEST(PendingFilePublish, DoesNotReplaceAFileThatAppearedMeanwhile) {
  TestFolder folder;
  PendingFile file(folder.at("out"), 1);
  folder.write("out", "precious");
  EXPECT_NE(error_of([&] { file.publish(false); }).find("appeared while this ran"), std::string::npos);
  EXPECT_EQ(read_file(folder.at("out")), "precious");
  EXPECT_EQ(folder.names().size(), 1u);
  PendingFile second(folder.at("new"), 1);
  second.publish(false);
  EXPECT_EQ(folder.names().size(), 2u);
}

}  // namespace
}  // namespace fakequant
