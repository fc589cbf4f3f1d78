"""Holds objects as a server in Python does: records with keys, texts and numbers. usage: heap.py FILE MEGABYTES"""
import hashlib
import os
import signal
import sys

WORDS = ("alpha", "beta", "gamma", "delta", "order", "invoice", "customer", "shipped", "pending", "total")
STATUS, WANTED = sys.argv[1], int(sys.argv[2]) << 20


def held():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def record(number):
    key = hashlib.sha256(str(number).encode()).hexdigest()
    words = [WORDS[number % 7], WORDS[number * 31 % 10], WORDS[number // 10 % 10]]
    return {"id": number, "key": key, "tags": words, "text": " ".join(words * 4) + f" no. {number}",
            "price": number * 0.37, "path": f"/var/lib/shop/{words[0]}/{number % 977}/{key[:8]}.json"}


records = []
while held() < WANTED:
    records.extend(record(number) for number in range(len(records), len(records) + 10000))
with open(STATUS, "w", encoding="ascii") as status:
    print(f"work={len(records)} checks=0", file=status)
while True:
    signal.pause()
