"""Real processes on this machine with the configuration that the program renders for a stack: the path of a signal, end to end."""
