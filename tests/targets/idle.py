"""Python without any framework, that computes until it is killed."""

print("ready", flush=True)
while True:
    sum(range(1000))
