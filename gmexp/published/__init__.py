"""The published probability model as printed: its tables, names, modifiers and formula. Nothing measured."""
