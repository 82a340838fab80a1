"""Python without any framework, that computes a little until it is killed."""

import time

print("ready", flush=True)
while True:
    sum(range(1000))
    time.sleep(0.005)
