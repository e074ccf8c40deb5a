"""Sphinx: Markdown pages, and a reference taken from the docstrings."""

from __future__ import annotations

from pathlib import Path

import dmrnet

HERE = Path(__file__).parent
# The notebook is an example; a copy is shown as a page, with the outputs that it holds.
notebook = (HERE.parent / "examples" / "quickstart.ipynb").read_text(encoding="utf-8")
(HERE / "tutorials" / "quickstart.ipynb").write_text(
    notebook.replace("../docs/tutorials/", ""), encoding="utf-8"
)

project = "dmrnet"
author = "The dmrnet authors"
copyright = author
release = dmrnet.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
if not tags.has("check"):  # noqa: F821  (Sphinx gives tags)
    # Pages of source; where nothing is written, only the modules are read for them.
    extensions.append("sphinx.ext.viewcode")
exclude_patterns = ["_build", "jupyter_execute"]
# Quotes and dashes stay as written: a flag outside code keeps both its hyphens, and large tables of
# results are read faster.
smartquotes = False

html_theme = "furo"
html_title = "dmrnet"

nb_execution_mode = "off"
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
