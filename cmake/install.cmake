# What make install puts where: the program, its data, its documents, and the manual page and shell completions that the
# program writes itself. llama.cpp's own files are not installed.
include(GNUInstallDirs)

set(FAKEQUANT_INSTALL_DATADIR ${CMAKE_INSTALL_DATADIR}/fakequant)
install(FILES
    data/demo-4.6m-f16.gguf data/demo-model-card.md
    data/demo-wordnet-heldout.txt data/demo-wordnet-LICENSE.txt
    data/rope_freqs_llama32_1b.f32
  DESTINATION ${FAKEQUANT_INSTALL_DATADIR} COMPONENT fakequant)
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT fakequant)
# Of what the report's pages draw their charts with; the pages hold it too.
install(FILES ${FAKEQUANT_PAGE_LICENCES} DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT fakequant)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT fakequant FILES_MATCHING PATTERN "*.md")

if(TARGET fakequant)
  install(TARGETS fakequant RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT fakequant)

  # Written when installing: `fakequant generate man|bash|zsh|fish` prints each of them.
  set(FAKEQUANT_PROGRAM $<TARGET_FILE:fakequant>)
  configure_file(cmake/install-generated.cmake.in ${CMAKE_BINARY_DIR}/install-generated.cmake.in @ONLY)
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/install-generated.cmake INPUT ${CMAKE_BINARY_DIR}/install-generated.cmake.in)
  install(SCRIPT ${CMAKE_BINARY_DIR}/install-generated.cmake COMPONENT fakequant)
endif()
