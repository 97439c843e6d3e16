"""A stack as files for Argo CD or Flux: the rendering, in the order in which the program makes it."""
