"""Reports: the page, sections, tables and pictures of finished runs."""
