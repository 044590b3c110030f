"""What a person asks to have explained, found by its name and written down."""
