find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(TBB REQUIRED)
find_package(Threads REQUIRED)
# Debian's package has no CMake files.
find_path(FAKEQUANT_XXHASH_INCLUDE xxhash.h REQUIRED)
find_library(FAKEQUANT_XXHASH_LIBRARY xxhash REQUIRED)
find_path(FAKEQUANT_TOMLPLUSPLUS_INCLUDE toml++/toml.h REQUIRED)
if(FAKEQUANT_TESTS)
  find_package(GTest REQUIRED)
endif()
if(FAKEQUANT_BENCH)
  find_package(benchmark REQUIRED)
endif()

# Optional test data beside the checkout; tests that want it skip with a message when it is absent.
get_filename_component(FAKEQUANT_SHARED_DIR ${CMAKE_SOURCE_DIR}/../shared ABSOLUTE)
