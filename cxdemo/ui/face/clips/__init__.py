"""A picture or a puppet that is moved by a clip."""
