# How our own code is compiled. llama.cpp keeps its own flags.
add_library(fakequant_options INTERFACE)
target_compile_features(fakequant_options INTERFACE cxx_std_20)
# A contracted multiply-add rounds once where the formats say twice: it would change restored values. Nobody reads exception flags or
# errno of arithmetic; promising that lets GCC vectorize selections and changes no value.
target_compile_options(fakequant_options INTERFACE
  -ffp-contract=off -fno-fast-math -fno-trapping-math -fno-math-errno
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wno-psabi)
target_include_directories(fakequant_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(fakequant_options INTERFACE $<$<CONFIG:Release>:-O3>)
endif()
if(FAKEQUANT_WERROR)
  target_compile_options(fakequant_options INTERFACE -Werror)
endif()
if(FAKEQUANT_SANITIZE)
  set(sanitizers -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all -fno-omit-frame-pointer)
  # -O1: the sanitizers see the same, and the build takes half the time.
  target_compile_options(fakequant_options INTERFACE ${sanitizers} -O1 -g)
  target_link_options(fakequant_options INTERFACE ${sanitizers})
  target_compile_definitions(fakequant_options INTERFACE FAKEQUANT_SANITIZED=1)
endif()
if(FAKEQUANT_FUZZ)
  target_compile_options(fakequant_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
