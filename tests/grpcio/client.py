"""A client on gRPC's own implementation: makes each kind of call to the address that it is given, and prints what came of it, a
line a call."""

import sys

import grpc


def metadata(pairs):
    return " ".join(f"{name}={value}" for name, value in sorted(pairs or ()) if name.startswith("x-c-"))


def status(error):
    return f"{error.code().name} {error.details()} {metadata(error.trailing_metadata())}".strip()


def attempt(name, call):
    try:
        print(name, call(), flush=True)
    except grpc.RpcError as error:
        print(name, status(error), flush=True)


def main():
    options = [("grpc.max_receive_message_length", 16 << 20)]
    channel = grpc.insecure_channel(sys.argv[1], options=options)

    def one(name, message, **how):
        answer, call = channel.unary_unary(f"/test.Real/{name}").with_call(message, timeout=how.pop("timeout", 10), **how)
        return f"{answer.decode() if len(answer) < 100 else len(answer)} {metadata(call.trailing_metadata())}".strip()

    def many(name, message):
        call = channel.unary_stream(f"/test.Real/{name}")(message, timeout=10)
        told = ",".join(message.decode() for message in call)
        return f"{told} {call.code().name} {metadata(call.trailing_metadata())}"

    def chat(messages):
        call = channel.stream_stream("/test.Real/Chat")(iter(messages), timeout=10)
        return ",".join(message.decode() for message in call) + " " + call.code().name

    def leave():
        call = channel.unary_stream("/test.Real/Hang")(b"left", timeout=10)
        first = next(call).decode()
        call.cancel()
        return first

    attempt("unary", lambda: one("Unary", b"hello"))
    attempt("empty", lambda: one("Unary", b""))
    attempt("fail", lambda: one("Fail", b""))
    attempt("unknown", lambda: one("Nothing", b""))
    attempt("asked", lambda: one("Asked", b"", metadata=(("x-c-asked", "yes"),)))
    attempt("up", lambda: one("Size", b"m" * 3_000_000))
    attempt("down", lambda: one("Large", b"6000000"))
    attempt("count", lambda: many("Count", b"100"))
    attempt("chat", lambda: chat([b"a", b"b" * 10, b""]))
    attempt("chat-fails", lambda: chat([b"a", b"fail", b"b"]))
    attempt("late", lambda: one("Silence", b"late", timeout=0.3))
    attempt("left", leave)


main()
