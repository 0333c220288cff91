# Options that every target of this project shares, and the helpers that declare targets.

add_library(narrow_options INTERFACE)
target_compile_features(narrow_options INTERFACE cxx_std_20)
# docs/numerics.md: no fused multiply-add unless it is written, no fast-math.
target_compile_options(narrow_options INTERFACE -ffp-contract=off -Wall -Wextra -Wpedantic -Wshadow
                                                -Wconversion -Wno-sign-conversion)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # Where files are compiled as one, a parameter may well be called as a constant of another file.
  target_compile_options(narrow_options INTERFACE
                         $<$<BOOL:$<TARGET_PROPERTY:UNITY_BUILD>>:-Wno-shadow>)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 warns about its own std::string (GCC bug 105651).
  target_compile_options(narrow_options INTERFACE -Wno-restrict)
  if(NARROW_SANITIZE)
    # Instrumented code makes GCC 12 warn about its own std::regex and std::optional.
    target_compile_options(narrow_options INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
if(NARROW_SANITIZE)
  target_compile_options(narrow_options INTERFACE -fsanitize=${NARROW_SANITIZE}
                                                  -fno-omit-frame-pointer
                                                  -fno-sanitize-recover=all)
  target_link_options(narrow_options INTERFACE -fsanitize=${NARROW_SANITIZE})
endif()
if(NARROW_SANITIZE MATCHES "undefined" AND NARROW_SANITIZE MATCHES "address")
  # What these three find is found by AddressSanitizer too, and they double the time of compilation.
  target_compile_options(narrow_options INTERFACE -fno-sanitize=null,vptr,object-size)
  # The other checks for undefined behaviour are a third of the time that a file takes to compile.
  # What reads files, works out sizes or computes codes has them; executors, methods, jobs, the
  # program and the tests, whose numbers come from there, are checked for their use of memory only.
  target_compile_options(narrow_options INTERFACE
    $<$<BOOL:$<TARGET_PROPERTY:NARROW_MEMORY_CHECKS_ONLY>>:-fno-sanitize=undefined>)
endif()
# For hundreds of test programs: the linker that takes a quarter of the time.
find_program(NARROW_LLD ld.lld)
if(NARROW_LLD)
  set(narrow_fast_linker -fuse-ld=lld)
endif()
if(NARROW_SANITIZE)
  target_link_options(narrow_options INTERFACE ${narrow_fast_linker})
endif()
if(NARROW_SANITIZE MATCHES "address")
  # Instrumented code takes long to compile: of the kernels with vectors of one length, one each.
  target_compile_definitions(narrow_options INTERFACE "HWY_DISABLED_TARGETS=(HWY_SSSE3|HWY_SSE4)")
endif()
if(NARROW_SANITIZE MATCHES "thread")
  # src/base/fork_join.h says what ThreadSanitizer cannot see.
  target_compile_definitions(narrow_options INTERFACE NARROW_THREAD_SANITIZER)
endif()
set_property(GLOBAL PROPERTY USE_FOLDERS ON)

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Inside a precompiled header GCC 12 warns about its own std::string, as above.
  set(narrow_precompiled_options -Wno-array-bounds -Wno-stringop-overflow)
endif()

# narrow_precompile_headers(target header...): if that is wanted.
function(narrow_precompile_headers target)
  if(NARROW_PRECOMPILE_HEADERS)
    target_precompile_headers(${target} PRIVATE ${ARGN})
    target_compile_options(${target} PRIVATE ${narrow_precompiled_options})
  endif()
endfunction()

# narrow_component(name below): declares the object library of a component, in narrow_objects. It may
# use what is in the component `below` and those below that one; "" for the lowest one, which has the
# precompiled headers of all, the list narrow_library_headers.
function(narrow_component name below)
  narrow_object_library(narrow_${name}_objects "${below}")
  if(NARROW_EXAMPLE)
    narrow_object_library(narrow_${name}_more ${name})
  endif()
endfunction()

# narrow_component_libraries(variable component): the object libraries that make it.
function(narrow_component_libraries variable component)
  set(libraries narrow_${component}_objects)
  if(NARROW_EXAMPLE)
    list(APPEND libraries narrow_${component}_more)
  endif()
  set(${variable} ${libraries} PARENT_SCOPE)
endfunction()

# One of them.
function(narrow_object_library objects below)
  add_library(${objects} OBJECT)
  target_include_directories(${objects} PUBLIC ${PROJECT_SOURCE_DIR}/include
                                               ${PROJECT_SOURCE_DIR}/src)
  # The shared libraries export what is marked: see include/narrow/export.h.
  set_target_properties(${objects} PROPERTIES POSITION_INDEPENDENT_CODE ON
                        CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_link_libraries(${objects} PUBLIC narrow_options)
  if(NARROW_BUILD_FUZZERS)
    # What the fuzzers steer by.
    target_compile_options(${objects} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
  if(NOT below)
    narrow_precompile_headers(${objects} ${narrow_library_headers})
    return()
  endif()
  target_link_libraries(${objects} PUBLIC narrow_${below}_objects)
  if(NARROW_PRECOMPILE_HEADERS)
    get_target_property(shared narrow_${below}_objects PRECOMPILE_HEADERS_REUSE_FROM)
    if(NOT shared)
      set(shared narrow_${below}_objects)
    endif()
    target_precompile_headers(${objects} REUSE_FROM ${shared})
    target_compile_options(${objects} PRIVATE ${narrow_precompiled_options})
  endif()
endfunction()

# narrow_sources(file...): adds sources of the current folder to the component NARROW_COMPONENT.
function(narrow_sources)
  narrow_add_sources(narrow_${NARROW_COMPONENT}_objects narrow_${NARROW_COMPONENT}_more ${ARGN})
endfunction()

# narrow_unity_build(target [apart...]): compiles up to ten sources of a folder as one, so names without
# linkage must differ within a folder; in those named `apart` they need not. Sources with options of
# their own are compiled by themselves anyway.
function(narrow_unity_build target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC takes a source that is included for a header, whose types should not have unnamed parts.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
  get_target_property(sources ${target} SOURCES)
  list(FILTER sources EXCLUDE REGEX TARGET_OBJECTS)
  get_target_property(base ${target} SOURCE_DIR)
  foreach(source IN LISTS sources)
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${base})
    cmake_path(GET source PARENT_PATH folder)
    cmake_path(RELATIVE_PATH folder BASE_DIRECTORY ${PROJECT_SOURCE_DIR}/src)
    # Highway reads a source with kernels once for each instruction set.
    file(STRINGS ${source} kernels REGEX "foreach_target" LIMIT_COUNT 1)
    if(kernels OR folder IN_LIST ARGN)
      continue()
    endif()
    string(REPLACE "/" "_" folder ${folder})
    math(EXPR count "${count_${folder}} + 0")
    math(EXPR group "${count} / 10")
    math(EXPR count_${folder} "${count} + 1")
    set_source_files_properties(${source} TARGET_DIRECTORY ${target}
                                PROPERTIES UNITY_GROUP ${folder}_${group})
  endforeach()
endfunction()

# narrow_sanitize_lightly(file): for a source of the current folder that is large once everything is
# inlined. With all checks inlined, too, it would take minutes to compile: memory is checked by calls.
function(narrow_sanitize_lightly file)
  if(NARROW_SANITIZE MATCHES "address" AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    set_source_files_properties(
      ${CMAKE_CURRENT_SOURCE_DIR}/${file} TARGET_DIRECTORY narrow_${NARROW_COMPONENT}_objects
      PROPERTIES COMPILE_OPTIONS
      "-fno-sanitize=undefined;-mllvm;-asan-instrumentation-with-call-threshold=0")
  endif()
endfunction()

# narrow_kernels(file...): adds sources of the current folder that Highway reads once for each
# instruction set. That takes a good part of a build, and minutes when instrumented: such builds have
# that of this machine only. Options for a machine are for these sources alone, since compilers and
# libraries round otherwise with them: Eigen fuses multiplications and additions, and GCC 12 leaves
# out a rounding to float.
function(narrow_kernels)
  narrow_sources(${ARGN})
  if(NARROW_THIS_MACHINE_ONLY OR NARROW_SANITIZE MATCHES "thread")
    list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
    set_property(SOURCE ${ARGN} TARGET_DIRECTORY narrow_${NARROW_COMPONENT}_objects
                 APPEND PROPERTY COMPILE_DEFINITIONS HWY_COMPILE_ONLY_STATIC)
    if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
      # The precompiled headers are those of every machine.
      set_property(SOURCE ${ARGN} TARGET_DIRECTORY narrow_${NARROW_COMPONENT}_objects
                   APPEND PROPERTY COMPILE_OPTIONS -march=native)
      set_property(SOURCE ${ARGN} TARGET_DIRECTORY narrow_${NARROW_COMPONENT}_objects
                   PROPERTY SKIP_PRECOMPILE_HEADERS ON)
    endif()
  endif()
endfunction()

# narrow_libraries(target...): what the sources of the current folder link; not for the components
# below NARROW_COMPONENT.
function(narrow_libraries)
  target_link_libraries(narrow_${NARROW_COMPONENT}_objects PUBLIC ${ARGN})
endfunction()

# narrow_headers(folder...): headers of others that only this component's sources include.
function(narrow_headers)
  narrow_component_libraries(libraries ${NARROW_COMPONENT})
  foreach(library IN LISTS libraries)
    target_include_directories(${library} SYSTEM PRIVATE ${ARGN})
  endforeach()
endfunction()

# narrow_messages(name proto...): a library of messages of the current folder, for the component
# NARROW_COMPONENT. Generated code is compiled as it comes, without this project's warnings.
function(narrow_messages name)
  find_package(Protobuf REQUIRED)
  add_library(${name} STATIC ${ARGN})
  protobuf_generate(TARGET ${name} LANGUAGE cpp)
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON
                        CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_include_directories(${name} SYSTEM PUBLIC ${CMAKE_CURRENT_BINARY_DIR})
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf)
  narrow_libraries(${name})
endfunction()

# narrow_hardly_optimize(target scope): for code that takes no time to run, but long to optimize. The
# library keeps its optimization.
function(narrow_hardly_optimize target scope)
  if(NARROW_SANITIZE)
    target_compile_options(${target} ${scope} -O0)
  else()
    target_compile_options(${target} ${scope} $<$<CONFIG:Release>:-O1>)
  endif()
endfunction()

# narrow_thread_test(name): marks a test program as one that runs code on several threads.
function(narrow_thread_test name)
  if(NOT TARGET thread_tests)
    add_custom_target(thread_tests)
  endif()
  add_dependencies(thread_tests ${name})
  set_tests_properties(${name} PROPERTIES LABELS threads)
endfunction()

# What the tests share: the library as an archive, of which a test links what it needs (the shared
# libraries hide what is private), and GoogleTest, optionally as a precompiled header.
function(narrow_test_support)
  add_library(narrow_test_support INTERFACE)
  target_link_libraries(narrow_test_support INTERFACE narrow_objects GTest::gtest_main GTest::gmock
                                                      rapidcheck)
  # To optimize tests would take longer than to run them. The library keeps its optimization.
  target_compile_options(narrow_test_support INTERFACE -O0)
  target_link_options(narrow_test_support INTERFACE ${narrow_fast_linker})
  if(NARROW_PRECOMPILE_HEADERS)
    target_compile_options(narrow_test_support INTERFACE ${narrow_precompiled_options})
    file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/test_headers.cc CONTENT "")
    add_library(narrow_test_headers OBJECT ${CMAKE_CURRENT_BINARY_DIR}/test_headers.cc)
    target_link_libraries(narrow_test_headers PRIVATE narrow_test_support)
    set_target_properties(narrow_test_headers PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    # Not those of rapidcheck, which few tests need: of them every test would instantiate templates.
    narrow_precompile_headers(narrow_test_headers <gmock/gmock.h> <gtest/gtest.h>)
  endif()
endfunction()

# narrow_test(name_test.cc [THREADS] [COMPUTES] [LIBS target...]): one GoogleTest program per file, in
# the current folder. NARROW_SOURCE_DIR in the environment says where tests/golden is.
# THREADS: it runs code on several threads, so it has the label "threads", and the target
# thread_tests and the preset tsan include it.
# COMPUTES: its own loops take most of its time, so it is optimized.
function(narrow_test file)
  if(NOT NARROW_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "THREADS;COMPUTES" "" "LIBS" ${ARGN})
  get_filename_component(name ${file} NAME_WE)
  add_executable(${name} ${file})
  target_link_libraries(${name} PRIVATE narrow_test_support ${ARG_LIBS})
  if(NARROW_PRECOMPILE_HEADERS)
    target_precompile_headers(${name} REUSE_FROM narrow_test_headers)
  endif()
  set_target_properties(${name} PROPERTIES NARROW_MEMORY_CHECKS_ONLY ON)
  if(ARG_COMPUTES)
    # The precompiled headers are those of tests that are not optimized.
    set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS -O1 SKIP_PRECOMPILE_HEADERS ON)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES
                       ENVIRONMENT "NARROW_SOURCE_DIR=${PROJECT_SOURCE_DIR}" TIMEOUT 600)
  if(ARG_THREADS)
    narrow_thread_test(${name})
  endif()
endfunction()

# narrow_fuzzer(fuzz_name.cc): one libFuzzer program; its corpus is fuzz/corpus/<name>.
function(narrow_fuzzer file)
  get_filename_component(name ${file} NAME_WE)
  add_executable(${name} ${file})
  target_link_libraries(${name} PRIVATE narrow_objects -fsanitize=fuzzer)
endfunction()
