#pragma once
// What a page is made of besides data: its frame, style and script, and the scripts that draw charts outside a browser. They are part of
// the program; cmake/page.cmake makes their text from src/report/page and the packages that its lock file names.

#include <string_view>

namespace fakequant::report {

struct PageParts {
  std::string_view template_html;  // the page with {{slots}}; see page.cpp
  std::string_view style;          // CSS
  std::string_view script;         // Vega, Vega-Lite, Vega-Embed, the theme, the page's own: one script
  std::string_view script_sha256;  // of `script`, in Base64: the only script that the page lets run
  std::string_view draw_vega;      // the same bundles for node, one file each
  std::string_view draw_vega_lite;
  std::string_view draw_theme;
  std::string_view draw;      // reads specs, writes SVG
  std::string_view licences;  // of everything in `script` that is not ours
};

// The same text in every build of the same sources.
const PageParts& page_parts();

}  // namespace fakequant::report
