#include "gguf/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gguf/testing.h"

namespace fakequant {
namespace {

using namespace gguf_testing;

std::string error_for(const std::string& path) {
  return error_of([&] { MappedFile file(path); });
}

TEST(MappedFile, HoldsTheBytesOfAFile) {
  TestFolder folder;
  MappedFile file(folder.write("a", "some bytes"));
  EXPECT_EQ(text_of(file.bytes()), "some bytes");
  EXPECT_EQ(file.path(), folder.at("a"));
  EXPECT_GE(file.descriptor(), 0);
  MappedFile moved = std::move(file);
  EXPECT_EQ(text_of(moved.bytes()), "some bytes");
  moved = MappedFile(folder.write("b", "others"));
  EXPECT_EQ(text_of(moved.bytes()), "others");
}

TEST(MappedFile, MapsAnEmptyFileToNoBytes) {
  TestFolder folder;
  EXPECT_TRUE(MappedFile(folder.write("empty", "")).bytes().empty());
}

TEST(MappedFile, NamesWhatIsNoRegularFile) {
  TestFolder folder;
  EXPECT_EQ(error_for(folder.path()), folder.path() + ": found a folder, wanted a regular file");
  EXPECT_EQ(error_for("/dev/null"), "/dev/null: found a device, wanted a regular file");
  // Nobody will ever write to this pipe: a blocking open would wait forever.
  ASSERT_EQ(mkfifo(folder.at("pipe").c_str(), 0600), 0);
  EXPECT_EQ(error_for(folder.at("pipe")), folder.at("pipe") + ": found a named pipe, wanted a regular file");

  int socket_descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  folder.at("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(socket_descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(error_for(folder.at("socket")), folder.at("socket") + ": found a socket, wanted a regular file");
  close(socket_descriptor);
}

TEST(MappedFile, SaysWhyAFileCannotBeOpened) {
  TestFolder folder;
  EXPECT_EQ(error_for(folder.at("none")),
            folder.at("none") + ": cannot be opened for reading: No such file or directory");
  folder.write("file", "");
  EXPECT_EQ(error_for(folder.at("file/x")),
            folder.at("file/x") + ": cannot be opened for reading: Not a directory");
}

TEST(MappedFile, MakesControlBytesOfItsNameVisible) {
  EXPECT_EQ(error_for("/no\x1b[2J"), "/no\\x1b[2J: cannot be opened for reading: No such file or directory");
}

}  // namespace
}  // namespace fakequant
