# Sends the same frames round and round from one processor, and says in one line of JSON how many, and how long it took.
# Standard input: interface, cpu, frames (hex), and either milliseconds or rounds.
# What a veth carries is handled by whoever sends it, so the processor time of this process is that of the packets' whole way.
import ctypes
import json
import os
import socket
import sys
import time

SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20
A_CALL = 60


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Message(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(Vector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("sent", ctypes.c_uint),
    ]


order = json.load(sys.stdin)
os.sched_setaffinity(0, {order["cpu"]})
frames = [bytes.fromhex(frame) for frame in order["frames"]]
buffers = [ctypes.create_string_buffer(frame, len(frame)) for frame in frames]
vectors = [Vector(ctypes.addressof(buffer), len(buffer)) for buffer in buffers]
# Whole rounds, so that no frame is sent more often than another.
count = len(frames) * (max(1, A_CALL // len(frames)) if "milliseconds" in order else order["rounds"])
messages = (Message * count)()
for index in range(count):
    messages[index].vectors = ctypes.pointer(vectors[index % len(frames)])
    messages[index].vector_count = 1

sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
sender.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
sender.bind((order["interface"], 0))
number = sender.fileno()
sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg


def send():
    done = 0
    while done < count:
        now = sendmmsg(number, ctypes.byref(messages, done * ctypes.sizeof(Message)), min(1024, count - done), 0)
        if now < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        done += now
    return done


sent = 0
began, processor = time.perf_counter_ns(), time.process_time_ns()
end = began + order.get("milliseconds", 0) * 1_000_000
while True:
    sent += send()
    if time.perf_counter_ns() >= end:
        break
processor = time.process_time_ns() - processor
print(json.dumps({"sent": sent, "processorNs": processor, "ns": time.perf_counter_ns() - began}))
