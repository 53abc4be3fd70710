"""The selections behind a summary, one module each: which resources make a section's rows, and in what words."""
