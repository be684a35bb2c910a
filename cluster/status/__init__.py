"""Where a run stands, read from its folder: while it runs, after a crash, and when it is done."""
