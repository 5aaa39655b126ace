"""Plan the trials, measure them, confirm the finalists, write the run folder."""
