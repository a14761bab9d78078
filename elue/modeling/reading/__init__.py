"""Recurrent methods that go through a text at their own pace: units, the batch, the loop, the network and the base."""
