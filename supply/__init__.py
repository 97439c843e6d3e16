"""What a stack is made of, fetched, pinned and taken along: the chart lock, a mirror of its charts, the list of its images."""
