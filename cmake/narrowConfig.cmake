# Components: quant, checkpoint, narrow; all of them when none is named. Each is a library that contains
# those before it, so that a program links one of them only, and no header of a library that it uses
# is needed.
cmake_policy(VERSION 3.16)
set(narrow_components quant checkpoint narrow)
if(NOT narrow_FIND_COMPONENTS)
  set(narrow_FIND_COMPONENTS ${narrow_components})
endif()
foreach(narrow_component IN LISTS narrow_FIND_COMPONENTS)
  if(narrow_component IN_LIST narrow_components)
    include("${CMAKE_CURRENT_LIST_DIR}/narrow-${narrow_component}-targets.cmake")
    set(narrow_${narrow_component}_FOUND TRUE)
  elseif(narrow_FIND_REQUIRED_${narrow_component})
    set(narrow_FOUND FALSE)
    string(APPEND narrow_NOT_FOUND_MESSAGE "narrow has no component '${narrow_component}': "
                                           "there are quant, checkpoint and narrow. ")
  endif()
endforeach()
unset(narrow_component)
unset(narrow_components)
