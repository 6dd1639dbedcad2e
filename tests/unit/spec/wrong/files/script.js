// there for its name
