"""The vocabulary as types. Standard library only; everything else imports from here."""
