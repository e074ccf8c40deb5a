"""Every form in which a report is written: HTML, Markdown, LaTeX, terminal."""
