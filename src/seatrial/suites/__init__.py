"""What other people's suites of tests write: JUnit, TAP, an exit status."""
