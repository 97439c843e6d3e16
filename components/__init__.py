"""The layers of the stack: each module is one product, each class one ComponentResource."""
