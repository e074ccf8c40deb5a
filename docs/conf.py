"""Sphinx: Markdown pages, and a reference taken from the docstrings."""

from __future__ import annotations

import dmrnet

project = "dmrnet"
author = "The dmrnet authors"
copyright = author
release = dmrnet.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "dmrnet"

myst_enable_extensions = ["colon_fence", "dollarmath"]
# [text](page.md#a-heading) works as it does on a code host.
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
# With the name's home as a prefix a signature of tensors does not fit on a screen.
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False

copybutton_prompt_text = "$ "
