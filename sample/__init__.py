"""The sample application `rolldice`: its source, its image and its tests."""
