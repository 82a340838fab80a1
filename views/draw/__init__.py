"""What the screens are made of: pure functions from numbers to lines of text with theme tokens. Knows no Textual."""
