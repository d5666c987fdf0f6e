# fakequant_module(NAME USES other modules... LINKS packages...)
#
# One folder of src/ is one library. Its sources are the folder's .cpp files; x_test.cpp beside x.cpp makes the
# test program test_NAME. USES is the whole list of folders this one may include: tools/check-includes.py holds
# the sources against the same table, and the include paths are shared, so both must agree.
function(fakequant_module name)
  cmake_parse_arguments(arg "" "" "USES;LINKS;TEST_LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(TRANSFORM arg_USES PREPEND fakequant_)
  add_library(fakequant_${name} STATIC ${sources})
  target_link_libraries(fakequant_${name} PUBLIC fakequant_options ${arg_USES} ${arg_LINKS})
  if(FAKEQUANT_TESTS AND tests)
    add_executable(test_${name} ${tests})
    target_link_libraries(test_${name} PRIVATE fakequant_${name} ${arg_TEST_LINKS} GTest::gtest_main)
    target_compile_definitions(test_${name} PRIVATE
      FAKEQUANT_SOURCE_DIR="${CMAKE_SOURCE_DIR}" FAKEQUANT_SHARED_DIR="${FAKEQUANT_SHARED_DIR}")
    add_test(NAME ${name} COMMAND test_${name} --gtest_brief=1)
  endif()
endfunction()
