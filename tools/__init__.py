"""Commands for people who work on this repository; none of them is in a package."""
