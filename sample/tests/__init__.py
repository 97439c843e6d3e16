"""Tests of the sample application and of its image."""
