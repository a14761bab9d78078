"""Methods from outside: found by reading their source, digested, trained, and begun from a skeleton."""
