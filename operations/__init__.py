"""What is done around the program, once per environment, and no part of it."""
