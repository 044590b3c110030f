"""What an operator decides: flags of a service, each of which is also a variable."""
