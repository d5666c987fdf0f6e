#include "base/free_memory.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

TEST(AvailableInMeminfo, ReadsTheLineOfThatName) {
  EXPECT_EQ(available_in_meminfo("MemTotal:       100 kB\nMemAvailable:    42 kB\nBuffers: 1 kB\n"),
            42U * 1024);
  EXPECT_EQ(available_in_meminfo("MemTotal:       100 kB\n"), std::nullopt);
  EXPECT_EQ(available_in_meminfo("MemAvailable: many kB\n"), std::nullopt);
  EXPECT_EQ(available_in_meminfo(""), std::nullopt);
}

TEST(FreeMemory, IsSomethingOnLinux) {
  std::optional<uint64_t> bytes = free_memory_bytes();
  ASSERT_TRUE(bytes.has_value());
  EXPECT_GT(*bytes, 1U << 20);
}

}  // namespace
}  // namespace fakequant
