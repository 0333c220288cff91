include("${CMAKE_CURRENT_LIST_DIR}/narrowTargets.cmake")
