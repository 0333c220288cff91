file(REMOVE_RECURSE ${WORK_DIR})
file(MAKE_DIRECTORY ${WORK_DIR})

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output
                  ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${WORK_DIR}/prefix)
set(flags)
if(SANITIZE)
  set(flags -DCMAKE_CXX_FLAGS=-fsanitize=${SANITIZE})
endif()
# With the build tool of the project itself: there may be no other.
set(configure ${CMAKE_COMMAND} -G ${GENERATOR} -DCMAKE_MAKE_PROGRAM=${MAKE_PROGRAM}
    -DCMAKE_CXX_COMPILER=${CXX} ${flags} -DCMAKE_PREFIX_PATH=${WORK_DIR}/prefix)

# run_example(name pattern argument...): builds it, runs it, and compares what it prints.
function(run_example name pattern)
  run(${configure} -S ${EXAMPLES_DIR}/${name} -B ${WORK_DIR}/${name})
  run(${CMAKE_COMMAND} --build ${WORK_DIR}/${name})
  run(${WORK_DIR}/${name}/${name} ${ARGN})
  if(NOT output MATCHES "${pattern}")
    message(FATAL_ERROR "the example ${name} printed: ${output}")
  endif()
endfunction()

run_example(array "relative error 0\\.0[0-9]+")
run_example(checkpoint
            "44 tensors quantized, mean relative error 0\\.[0-9]+; 101 tensors are the same"
            ${CHECKPOINT} ${WORK_DIR}/quantized/model)
run_example(widths "bin +8 .*fixed-point +2 ")
run_example(network "15 layers, .* 0\\.1[0-9]+ with the nearest codes, 0\\.1[0-9]+ with methods"
            ${CHECKPOINT} ${WORK_DIR}/with_methods/model 28)
run(${WORK_DIR}/prefix/bin/narrow inspect ${WORK_DIR}/quantized/model)
run(${WORK_DIR}/prefix/bin/narrow inspect ${WORK_DIR}/with_methods/model)

# A component that does not exist is an error that says so.
file(WRITE ${WORK_DIR}/unknown/CMakeLists.txt
     "cmake_minimum_required(VERSION 3.25)\nproject(unknown LANGUAGES NONE)\n"
     "find_package(narrow REQUIRED COMPONENTS quant network)\n")
execute_process(COMMAND ${configure} -S ${WORK_DIR}/unknown -B ${WORK_DIR}/unknown/build
                RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(status EQUAL 0 OR NOT output MATCHES "no component 'network'")
  message(FATAL_ERROR "an unknown component: ${output}")
endif()

run(${WORK_DIR}/prefix/bin/narrow version)
run(${WORK_DIR}/prefix/bin/quantizer --help)
