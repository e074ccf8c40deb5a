"""The report as one self-contained HTML page: its template, style and script."""
