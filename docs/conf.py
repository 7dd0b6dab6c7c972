"""Sphinx configuration: MyST pages, furo, warnings are errors."""

project = "Countermark"
author = "The Countermark authors"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "Countermark"
html_static_path = ["_static"]
html_css_files = ["wrap.css"]
html_show_copyright = False  # the licence is in LICENSE
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["toc.empty_glob"]  # folders that a later page will fill
