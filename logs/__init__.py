"""The log of both services: lines of JSON, and what other libraries say turned into such lines."""
