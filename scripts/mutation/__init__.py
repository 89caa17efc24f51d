"""Mutation testing: whether a test notices that one thing in a module is wrong."""
