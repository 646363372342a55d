"""`todoke-server doctor`: looks at everything that the services stand on, and says what to do about what is wrong."""
