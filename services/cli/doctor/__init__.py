"""`todoke-server doctor`: examines everything that the services depend on, and says how to mend what is wrong."""
