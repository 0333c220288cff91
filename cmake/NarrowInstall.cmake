# The libraries for embedding, the programs, and what find_package(narrow) needs.
include(CMakePackageConfigHelpers)
set(narrow_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/narrow)

# narrow_shared_library(target name component...): the shared library narrow::<name> of these
# components. It needs no other one of this project.
function(narrow_shared_library target name)
  add_library(${target} SHARED)
  add_library(narrow::${name} ALIAS ${target})
  foreach(component IN LISTS ARGN)
    narrow_component_libraries(libraries ${component})
    target_link_libraries(${target} PRIVATE ${libraries})
  endforeach()
  target_include_directories(${target} INTERFACE
                             $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                             $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(${target} INTERFACE cxx_std_20)
  if(NOT NARROW_SANITIZE)
    # A component that needs something of a higher one fails here, not in a program.
    target_link_options(${target} PRIVATE LINKER:-z,defs)
  endif()
  set_target_properties(${target} PROPERTIES VERSION ${PROJECT_VERSION}
                        SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
                        EXPORT_NAME ${name} LINKER_LANGUAGE CXX)
  install(TARGETS ${target} EXPORT narrow-${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT narrow-${name} NAMESPACE narrow:: FILE narrow-${name}-targets.cmake
          DESTINATION ${narrow_package_dir})
endfunction()

narrow_shared_library(narrow_quant quant quant)
narrow_shared_library(narrow_checkpoint checkpoint quant checkpoint)
narrow_shared_library(narrow narrow quant checkpoint network jobs)

install(TARGETS narrow_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
install(FILES ${PROJECT_BINARY_DIR}/quantizer DESTINATION ${CMAKE_INSTALL_BINDIR}
        COMPONENT program)
if(TARGET narrow_mpi)
  # The program looks for it beside itself.
  install(TARGETS narrow_mpi LIBRARY DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT mpi)
endif()
# Completions and manual page come from the program itself.
foreach(pair complete-bash=narrow complete-zsh=_narrow complete-fish=narrow.fish man=narrow.1)
  string(REPLACE "=" ";" pair ${pair})
  list(GET pair 0 kind)
  list(GET pair 1 file)
  install(CODE "execute_process(COMMAND $<TARGET_FILE:narrow_program> --generate ${kind}
                                OUTPUT_FILE ${PROJECT_BINARY_DIR}/generated/${file}
                                COMMAND_ERROR_IS_FATAL ANY)" COMPONENT program)
endforeach()
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/generated)
install(FILES ${PROJECT_BINARY_DIR}/generated/narrow
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT program)
install(FILES ${PROJECT_BINARY_DIR}/generated/_narrow
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions COMPONENT program)
install(FILES ${PROJECT_BINARY_DIR}/generated/narrow.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT program)
install(FILES ${PROJECT_BINARY_DIR}/generated/narrow.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1
        COMPONENT program)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/narrow RENAME copyright
        COMPONENT program)
install(DIRECTORY include/narrow DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/narrowConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES cmake/narrowConfig.cmake ${PROJECT_BINARY_DIR}/narrowConfigVersion.cmake
        DESTINATION ${narrow_package_dir})

# The program as a Debian package: tools/build_deb.sh.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME narrow)
set(CPACK_PACKAGE_CONTACT "the narrow developers")
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL program)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME narrow)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS libcurl4)
include(CPack)
