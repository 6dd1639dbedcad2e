"""Evidence that binds: what was tested, seals over what was recorded, and statements about both that can be checked elsewhere."""
