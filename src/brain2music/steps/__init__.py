"""The steps of the pipeline: each joins the folders that do the work to the files of a run."""
