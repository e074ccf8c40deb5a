"""The tables of a report before they are written in some form, and blocks of analyses."""
