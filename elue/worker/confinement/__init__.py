"""What a worker may not do: system calls, files, processes and the network, and who watches."""
