#pragma once
// For tests only: the committed reference vectors of tests/golden.

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

namespace fakequant::base_testing {

// The whole file as numbers; a test that finds none fails.
template <typename T>
std::vector<T> read_golden(const std::string& name) {
  std::string path = std::string(FAKEQUANT_SOURCE_DIR) + "/tests/golden/" + name;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  EXPECT_TRUE(file.good()) << path;
  std::vector<T> values(static_cast<size_t>(file.tellg()) / sizeof(T));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
  EXPECT_FALSE(values.empty()) << path;
  return values;
}

}  // namespace fakequant::base_testing
