"""Places that hold named bytes: folders, zips, tars and tables, listed once, read in place."""
