# What the report's page draws its charts with, and the page's own style and script: brought in once by npm, then one C++ file
# that becomes part of the program, so that an installed fakequant needs nothing else.
set(FAKEQUANT_PAGE_SOURCE ${CMAKE_SOURCE_DIR}/src/report/page)
set(FAKEQUANT_PAGE_PACKAGES ${CMAKE_BINARY_DIR}/page-packages)
set(FAKEQUANT_PAGE_PARTS ${CMAKE_BINARY_DIR}/page_parts.cpp)
set(FAKEQUANT_PAGE_LICENCES ${CMAKE_BINARY_DIR}/page-licences.txt CACHE INTERNAL "Of what the page draws with; installed too")
find_program(FAKEQUANT_NODE node REQUIRED)

# Packages of SOURCE/package-lock.json in TARGET; fetched when the lock file is newer than what is there.
function(fakequant_npm_packages source target)
  add_custom_command(
    OUTPUT ${target}/node_modules/.complete
    COMMAND ${CMAKE_SOURCE_DIR}/tools/fetch-page-parts.sh ${source} ${target}
    DEPENDS ${source}/package.json ${source}/package-lock.json ${CMAKE_SOURCE_DIR}/tools/fetch-page-parts.sh
    COMMENT "Fetching npm packages of ${source}" VERBATIM)
endfunction()

fakequant_npm_packages(${FAKEQUANT_PAGE_SOURCE} ${FAKEQUANT_PAGE_PACKAGES})
file(GLOB page_sources CONFIGURE_DEPENDS ${FAKEQUANT_PAGE_SOURCE}/*.html ${FAKEQUANT_PAGE_SOURCE}/*.css ${FAKEQUANT_PAGE_SOURCE}/*.js)
add_custom_command(
  OUTPUT ${FAKEQUANT_PAGE_PARTS} ${FAKEQUANT_PAGE_LICENCES}
  COMMAND ${FAKEQUANT_NODE} ${CMAKE_SOURCE_DIR}/tools/embed-page.mjs
    ${FAKEQUANT_PAGE_SOURCE} ${FAKEQUANT_PAGE_PACKAGES} ${FAKEQUANT_PAGE_PARTS} ${FAKEQUANT_PAGE_LICENCES}
  DEPENDS ${FAKEQUANT_PAGE_PACKAGES}/node_modules/.complete ${CMAKE_SOURCE_DIR}/tools/embed-page.mjs ${page_sources}
  COMMENT "Embedding the report's page" VERBATIM)
# It is one long text: longer than every compiler must take.
set_source_files_properties(${FAKEQUANT_PAGE_PARTS} PROPERTIES COMPILE_OPTIONS "-Wno-overlength-strings")
