# Brings in llama.cpp and ggml as static libraries. Only what a target of ours needs is built.
# Any ggml option (-DGGML_CUDA=ON, -DGGML_VULKAN=ON, ...) given to our CMake reaches ggml unchanged.
if(FAKEQUANT_LLAMA_SOURCE)
  set(FAKEQUANT_LLAMA_DIR ${FAKEQUANT_LLAMA_SOURCE})
else()
  execute_process(
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tools/fetch-llama.sh
    OUTPUT_VARIABLE FAKEQUANT_LLAMA_DIR OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "llama.cpp could not be fetched; give a checkout with -DFAKEQUANT_LLAMA_SOURCE=DIR")
  endif()
endif()
execute_process(
  COMMAND git -C ${FAKEQUANT_LLAMA_DIR} rev-parse HEAD
  OUTPUT_VARIABLE FAKEQUANT_LLAMA_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
message(STATUS "llama.cpp source: ${FAKEQUANT_LLAMA_DIR} (${FAKEQUANT_LLAMA_COMMIT})")

set(BUILD_SHARED_LIBS OFF CACHE BOOL "" FORCE)
foreach(part OPENSSL BUILD_SERVER BUILD_APP BUILD_TESTS BUILD_EXAMPLES)
  set(LLAMA_${part} OFF CACHE BOOL "" FORCE)
endforeach()
set(LLAMA_BUILD_IS_DEV OFF CACHE BOOL "" FORCE)
set(LLAMA_BUILD_COMMON ON CACHE BOOL "" FORCE)
set(LLAMA_BUILD_TOOLS ON CACHE BOOL "" FORCE)
set(LLAMA_TOOLS_INSTALL OFF CACHE BOOL "" FORCE)
# OpenMP threads spin: on a busy machine two of them are an order slower than one. ggml's own pool is not.
set(GGML_OPENMP OFF CACHE BOOL "ggml: use OpenMP")

# In a function, so that the flag ends with it: warnings in llama.cpp are its authors' business.
function(fakequant_add_llama)
  set(CMAKE_C_FLAGS "${CMAKE_C_FLAGS} -w")
  set(CMAKE_CXX_FLAGS "${CMAKE_CXX_FLAGS} -w")
  add_subdirectory(${FAKEQUANT_LLAMA_DIR} ${CMAKE_BINARY_DIR}/llama.cpp EXCLUDE_FROM_ALL SYSTEM)
endfunction()
fakequant_add_llama()

# For --version: the numbers that the source itself names.
file(STRINGS ${FAKEQUANT_LLAMA_DIR}/CMakeLists.txt version_lines REGEX "^set\\(LLAMA_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+\\)")
set(FAKEQUANT_LLAMA_VERSION v)
foreach(line IN LISTS version_lines)
  string(REGEX MATCH "[0-9]+" number "${line}")
  string(APPEND FAKEQUANT_LLAMA_VERSION "${number}.")
endforeach()
string(REGEX REPLACE "\\.$" "" FAKEQUANT_LLAMA_VERSION "${FAKEQUANT_LLAMA_VERSION}")
string(SUBSTRING "${FAKEQUANT_LLAMA_COMMIT}unknown" 0 12 FAKEQUANT_LLAMA_COMMIT)
