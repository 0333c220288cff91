# narrow_example: the program with the command `example` alone, which ./quickstart runs. With
# NARROW_EXAMPLE what this command does without is in object libraries of its own, narrow_*_more, so
# that it need not be compiled first. The groups of a unity build hold functions, too, that the
# command never calls and that refer to what is left out: the linker drops them, and with them what
# they refer to.

if(NARROW_EXAMPLE)
  target_compile_options(narrow_options INTERFACE -ffunction-sections -fdata-sections)
endif()

# Folders and files of src/ without anything that it needs. What it needs after all is named by the
# linker.
set(narrow_example_left_out
    base/journal checkpoint/format_table.cc checkpoint/gguf checkpoint/hdf5
    checkpoint/hdf5/structure checkpoint/npz checkpoint/npz/zip checkpoint/pytorch
    checkpoint/pytorch/pickle checkpoint/safetensors checkpoint/safetensors/shards
    cli/generate cli/program/all_commands.cc methods/correction methods/rounding methods/scales
    nn/c_network nn/layerwise packed packed/export report/best_report.cc
    report/calibration_report.cc report/checkpoint_report.cc report/convert_report.cc
    report/engine_report.cc report/gguf_report.cc report/graph_report.cc
    report/integer_export_report.cc report/integer_report.cc report/network_report.cc
    report/packed_report.cc report/plan_accuracy_report.cc report/plan_report.cc
    report/run_report.cc report/sweep tasks/activations tasks/convert tasks/integers tasks/network
    tasks/plan tasks/portions tasks/rules tasks/run tasks/sweep)
# Files of these folders that it needs.
set(narrow_example_kept packed/packed_metadata.cc)

# narrow_add_sources(needed more file...): adds each source of the current folder to one of two
# libraries; without NARROW_EXAMPLE to the one that there is.
function(narrow_add_sources needed more)
  foreach(file IN LISTS ARGN)
    set(path ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    cmake_path(RELATIVE_PATH path BASE_DIRECTORY ${PROJECT_SOURCE_DIR}/src)
    cmake_path(GET path PARENT_PATH folder)
    set(is_left_out OFF)
    if(folder IN_LIST narrow_example_left_out OR path IN_LIST narrow_example_left_out OR
       (folder STREQUAL cli/commands AND NOT file STREQUAL command_example.cc))
      set(is_left_out ON)
    endif()
    if(NOT TARGET ${needed} OR
       (NARROW_EXAMPLE AND is_left_out AND NOT path IN_LIST narrow_example_kept))
      target_sources(${more} PRIVATE ${file})
    else()
      target_sources(${needed} PRIVATE ${file})
    endif()
  endforeach()
endfunction()

function(narrow_example_program)
  add_executable(narrow_example src/cli/example_main.cc src/checkpoint/tensorflow_formats.cc
                                $<TARGET_OBJECTS:narrow_cli>)
  target_link_libraries(narrow_example PRIVATE narrow_quant_objects narrow_checkpoint_objects
                                               narrow_network_objects narrow_jobs_objects
                                               narrow_report_needed CLI11::CLI11)
  target_link_options(narrow_example PRIVATE LINKER:--gc-sections)
endfunction()
