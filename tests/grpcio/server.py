"""A server on gRPC's own implementation: what a method does is told by its name, messages are bytes.

Prints the port that it listens on, then a line for each thing that a test waits for. Ends with its standard input.
"""

import os
import sys
import threading
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


def say(line):
    print(line, flush=True)


def trailing(context):
    context.set_trailing_metadata((("x-c-trailing", "last"), ("x-c-some-bin", b"\x00\x01\xff")))


def unary(message, context):
    """The message, between metadata."""
    context.send_initial_metadata((("x-c-initial", "first"),))
    trailing(context)
    return message


def fail(_, context):
    trailing(context)
    context.abort(grpc.StatusCode.PERMISSION_DENIED, "no way: 50% of \u00e4")


def asked(_, context):
    """What the call looks like from here."""
    metadata = dict(context.invocation_metadata())
    left = context.time_remaining()
    seconds = "none" if left is None else str(round(left))
    return f"x-c-asked={metadata.get('x-c-asked')} seconds={seconds}".encode()


def size(message, _):
    return str(len(message)).encode()


def large(message, _):
    """As many bytes as the message says."""
    return b"m" * int(message)


def count(message, context):
    """Messages from 1 to the number that the message says."""
    trailing(context)
    for number in range(1, int(message) + 1):
        yield str(number).encode()


def chat(messages, context):
    """Every message as it comes, until one says `fail`."""
    trailing(context)
    for message in messages:
        if message == b"fail":
            context.abort(grpc.StatusCode.DATA_LOSS, "lost")
        yield message


def patience(message, context):
    """What waits until the other side has had enough, which is said."""
    over = threading.Event()

    def end():
        say(f"over {message.decode()}")
        over.set()

    # Said from here: nobody may go on with a method whose call is over.
    context.add_callback(end)
    return lambda: over.wait(20)


def hang(message, context):
    """One message, and then nothing."""
    wait = patience(message, context)
    yield message
    wait()


def silence(message, context):
    """No message at all."""
    patience(message, context)()
    return message


def die(message, _):
    """One message, and the connection breaks without a word."""
    yield message
    threading.Timer(0.05, os._exit, (1,)).start()
    threading.Event().wait(20)


ONE = {"Unary": unary, "Fail": fail, "Asked": asked, "Size": size, "Large": large, "Silence": silence}
MANY = {"Count": count, "Hang": hang, "Die": die}


class Methods(grpc.GenericRpcHandler):
    """Methods of any service."""

    def service(self, details):
        name = details.method.rsplit("/", 1)[-1]
        if name in ONE:
            return grpc.unary_unary_rpc_method_handler(ONE[name])
        if name in MANY:
            return grpc.unary_stream_rpc_method_handler(MANY[name])
        if name == "Chat":
            return grpc.stream_stream_rpc_method_handler(chat)
        return None


def health_servicer():
    """The server as a whole serves, and so does one service; another does not."""
    servicer = health.HealthServicer()
    servicer.set("serving", health_pb2.HealthCheckResponse.SERVING)
    servicer.set("resting", health_pb2.HealthCheckResponse.NOT_SERVING)
    return servicer


def main():
    server = grpc.server(futures.ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer(), server)
    server.add_generic_rpc_handlers((Methods(),))
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:0"
    say(server.add_insecure_port(address))
    server.start()
    sys.stdin.read()
    os._exit(0)


main()
