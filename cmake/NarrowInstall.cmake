# The library for embedding, the programs, and what find_package(narrow) needs.
include(CMakePackageConfigHelpers)

add_library(narrow SHARED)
add_library(narrow::narrow ALIAS narrow)
target_link_libraries(narrow PRIVATE narrow_objects)
target_include_directories(narrow INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                            $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(narrow INTERFACE cxx_std_20)
set_target_properties(narrow PROPERTIES VERSION ${PROJECT_VERSION}
                      SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
                      LINKER_LANGUAGE CXX)

install(TARGETS narrow EXPORT narrowTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS narrow_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${PROJECT_BINARY_DIR}/quantizer DESTINATION ${CMAKE_INSTALL_BINDIR})
# Completions and manual page come from the program itself.
foreach(pair complete-bash=narrow complete-zsh=_narrow complete-fish=narrow.fish man=narrow.1)
  string(REPLACE "=" ";" pair ${pair})
  list(GET pair 0 kind)
  list(GET pair 1 file)
  install(CODE "execute_process(COMMAND $<TARGET_FILE:narrow_program> --generate ${kind}
                                OUTPUT_FILE ${PROJECT_BINARY_DIR}/generated/${file}
                                COMMAND_ERROR_IS_FATAL ANY)")
endforeach()
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/generated)
install(FILES ${PROJECT_BINARY_DIR}/generated/narrow
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${PROJECT_BINARY_DIR}/generated/_narrow
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${PROJECT_BINARY_DIR}/generated/narrow.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES ${PROJECT_BINARY_DIR}/generated/narrow.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(DIRECTORY include/narrow DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT narrowTargets NAMESPACE narrow:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/narrow)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/narrowConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES cmake/narrowConfig.cmake ${PROJECT_BINARY_DIR}/narrowConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/narrow)
