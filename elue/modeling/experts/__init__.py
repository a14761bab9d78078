"""Experts in place of feed-forwards: a router scores rows, a choice is a function of scores, seats are integers.

A method is a network that says who routes, what is chosen and what is lost; training and inference run the same choice
on the same rows, those of real tokens one after the other.
"""
