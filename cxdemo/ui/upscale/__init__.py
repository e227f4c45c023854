"""The super-resolution tab."""
