# find_package(upsampling CONFIG) gives the target upsampling::upsampling, which has the folder of upsampling.h. Nothing
# is linked: the kernels are reached through the table that upsampling_import() returns.
if(NOT TARGET upsampling::upsampling)
  add_library(upsampling::upsampling INTERFACE IMPORTED)
  get_filename_component(upsampling_INCLUDE_DIR "${CMAKE_CURRENT_LIST_DIR}/../include" ABSOLUTE)
  set_target_properties(upsampling::upsampling PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${upsampling_INCLUDE_DIR}")
endif()
