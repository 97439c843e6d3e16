"""What every stack is held to, as plain functions over what it registers and renders."""
