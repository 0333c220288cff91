# Options that every target of this project shares, and the helpers that declare targets.

add_library(narrow_options INTERFACE)
target_compile_features(narrow_options INTERFACE cxx_std_20)
# docs/numerics.md: no fused multiply-add unless it is written, no fast-math.
target_compile_options(narrow_options INTERFACE -ffp-contract=off -Wall -Wextra -Wpedantic -Wshadow
                                                -Wconversion -Wno-sign-conversion)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 warns about its own std::string (GCC bug 105651).
  target_compile_options(narrow_options INTERFACE -Wno-restrict)
endif()
if(NARROW_SANITIZE)
  target_compile_options(narrow_options INTERFACE -fsanitize=${NARROW_SANITIZE}
                                                  -fno-omit-frame-pointer
                                                  -fno-sanitize-recover=all)
  target_link_options(narrow_options INTERFACE -fsanitize=${NARROW_SANITIZE})
endif()
if(NARROW_BUILD_FUZZERS)
  target_compile_options(narrow_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
set_property(GLOBAL PROPERTY USE_FOLDERS ON)

# narrow_sources(file...): adds sources of the current folder to the library.
function(narrow_sources)
  foreach(file IN LISTS ARGN)
    target_sources(narrow_objects PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  endforeach()
endfunction()

# narrow_test(name_test.cc [LIBS target...]): one GoogleTest program per file, in the current folder.
# NARROW_SOURCE_DIR in the environment tells it where tests/golden is.
function(narrow_test file)
  if(NOT NARROW_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "LIBS" ${ARGN})
  get_filename_component(name ${file} NAME_WE)
  add_executable(${name} ${file})
  target_link_libraries(${name} PRIVATE narrow_objects GTest::gtest_main GTest::gmock rapidcheck
                                        ${ARG_LIBS})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES
                       ENVIRONMENT "NARROW_SOURCE_DIR=${PROJECT_SOURCE_DIR}" TIMEOUT 600)
endfunction()

# narrow_fuzzer(fuzz_name.cc): one libFuzzer program; its corpus is fuzz/corpus/<name>.
function(narrow_fuzzer file)
  get_filename_component(name ${file} NAME_WE)
  add_executable(${name} ${file})
  target_link_libraries(${name} PRIVATE narrow_objects -fsanitize=fuzzer)
endfunction()
