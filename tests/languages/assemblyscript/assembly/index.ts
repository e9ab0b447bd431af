// A module in AssemblyScript, on the SDK `@gcoredev/proxy-wasm-sdk-as`: it does what a request's script says through the SDK's own
// functions. Sections of the script are as for the other guests (tests/tests/conformance/case.rs); its lines are this file's own,
// words without quotes in which %20 is a space.
export * from "@gcoredev/proxy-wasm-sdk-as/assembly/proxy";
import {
  BaseContext, BufferTypeValues, Context, continue_request, continue_response, Counter, dequeue_shared_queue, enqueue_shared_queue,
  FilterDataStatusValues, FilterHeadersStatusValues, FilterTrailersStatusValues, Gauge, get_buffer_bytes,
  get_current_time_nanoseconds, get_property, get_shared_data, HeaderPair, log, LogLevelValues, makeHeaderPair,
  register_shared_queue, registerRootContext, RootContext, send_http_response, set_buffer_bytes, set_property, set_shared_data,
  set_tick_period_milliseconds, stream_context,
} from "@gcoredev/proxy-wasm-sdk-as/assembly";

const notes = new Map<string, string>();
/// Streams that wait for the next tick.
let sleepers: Stream[] = [];

function bytes(text: string): ArrayBuffer { return String.UTF8.encode(text); }

function text(bytes: ArrayBuffer): string { return String.UTF8.decode(bytes); }

function spaced(word: string): string { return word.split("%20").join(" "); }

function kind(word: string): BufferTypeValues { return parseInt(word) as BufferTypeValues; }

class Root extends RootContext {
  createContext(id: u32): Context { return new Stream(id, this); }

  onTick(): void {
    const woken = sleepers;
    sleepers = [];
    set_tick_period_milliseconds(0);
    for (let nth = 0; nth < woken.length; nth++) {
      woken[nth].setEffectiveContext();
      woken[nth].run("tick", true);
    }
  }
}

class Stream extends Context {
  token: string = "";
  script: string[] = [];
  returns: i32 = 0;
  root: Root;

  constructor(id: u32, root: Root) {
    super(id, root);
    this.root = root;
  }

  note(key: string, value: string): void {
    const before = notes.has(this.token) ? notes.get(this.token) : "";
    notes.set(this.token, before + key + " = " + value + "\n");
  }

  /// Runs the script's lines for a callback.
  run(callback: string, end: bool): i32 {
    this.returns = 0;
    let inside = false;
    for (let nth = 0; nth < this.script.length; nth++) {
      const line = this.script[nth].trim();
      if (line.startsWith("@")) {
        inside = line == "@" + callback || (end && line == "@" + callback + ".end");
      } else if (inside && line.length > 0) {
        const answer = this.line(line.split(" "));
        if (answer != "-") this.note(callback + "." + line, answer);
      }
    }
    return this.returns;
  }

  line(words: string[]): string {
    const what = words[0];
    const one = words.length > 1 ? spaced(words[1]) : "";
    const two = words.length > 2 ? spaced(words[2]) : "";
    const three = words.length > 3 ? spaced(words[3]) : "";
    const request = stream_context.headers.request;
    const response = stream_context.headers.response;
    const answer = stream_context.headers.http_callback;
    if (what == "return") { this.returns = parseInt(one) as i32; return "-"; }
    if (what == "request.get") return request.get(one);
    if (what == "request.length") return request.get(one).length.toString();
    if (what == "request.add") { request.add(one, two); return "done"; }
    if (what == "request.replace") { request.replace(one, two); return "done"; }
    if (what == "request.remove") { request.remove(one); return "done"; }
    if (what == "request.own") return own(request.get_headers());
    if (what == "response.get") return response.get(one);
    if (what == "response.length") return response.get(one).length.toString();
    if (what == "response.add") { response.add(one, two); return "done"; }
    if (what == "response.replace") { response.replace(one, two); return "done"; }
    if (what == "response.remove") { response.remove(one); return "done"; }
    if (what == "response.own") return own(response.get_headers());
    if (what == "answer.get") return answer.get(one);
    if (what == "request_trailers.get") return stream_context.trailers.request.get(one);
    if (what == "request_trailers.add") { stream_context.trailers.request.add(one, two); return "done"; }
    if (what == "response_trailers.get") return stream_context.trailers.response.get(one);
    if (what == "response_trailers.add") { stream_context.trailers.response.add(one, two); return "done"; }
    if (what == "body.get") return text(get_buffer_bytes(kind(one), parseInt(two) as u32, parseInt(three) as u32));
    if (what == "body.length") return get_buffer_bytes(kind(one), 0, u32.MAX_VALUE).byteLength.toString();
    if (what == "body.replace") return set_buffer_bytes(kind(one), 0, u32.MAX_VALUE, bytes(two)).toString();
    if (what == "body.prepend") return set_buffer_bytes(kind(one), 0, 0, bytes(two)).toString();
    if (what == "reply") return send_http_response(parseInt(one) as u32, "told", bytes(two), [makeHeaderPair("x-c-told", "1")]).toString();
    if (what == "property.get") return text(get_property(one.split(".").join("\0")));
    if (what == "property.set") return set_property(one, bytes(two)).toString();
    if (what == "shared.set") return set_shared_data(one, bytes(two)).toString();
    if (what == "shared.get") {
      const found = get_shared_data(one);
      const value = found.value;
      return found.result.toString() + " " + (value === null ? "none" : text(value));
    }
    if (what == "queue") {
      const queue = register_shared_queue(one).token;
      const put = enqueue_shared_queue(queue, bytes(two)).toString();
      const taken = dequeue_shared_queue(queue);
      const item = taken.data;
      return put + " " + taken.result.toString() + " " + (item === null ? "none" : text(item));
    }
    if (what == "counter") return new Counter(one).increment(parseInt(two) as u32).toString();
    if (what == "gauge") return new Gauge(one).increment(parseInt(two) as i64).toString();
    if (what == "log") { log(LogLevelValues.info, one); return "done"; }
    if (what == "time") return (get_current_time_nanoseconds() > 0).toString();
    if (what == "tick") { set_tick_period_milliseconds(parseInt(one) as u32); sleepers.push(this); return "done"; }
    if (what == "continue_request") return continue_request().toString();
    if (what == "continue_response") return continue_response().toString();
    if (what == "configuration") return this.root.getConfiguration();
    if (what == "call") {
      const head = [makeHeaderPair(":method", "GET"), makeHeaderPair(":path", two), makeHeaderPair(":authority", "side.example")];
      const answered = (context: BaseContext, headers: u32, size: usize, trailers: u32): void => {
        const stream = context as Stream;
        stream.note("http_call_response.called", (headers > 0).toString() + " " + size.toString() + " " + trailers.toString());
        stream.run("http_call_response", true);
      };
      return this.root_context.httpCall(one, head, new ArrayBuffer(0), [], 2000, this, answered).toString();
    }
    return "no such line";
  }

  onRequestHeaders(count: u32, end: bool): FilterHeadersStatusValues {
    const report = stream_context.headers.request.get("x-report");
    if (report != "") {
      send_http_response(200, "report", bytes(notes.has(report) ? notes.get(report) : ""), []);
      return FilterHeadersStatusValues.StopIteration;
    }
    this.token = stream_context.headers.request.get("x-token");
    this.script = stream_context.headers.request.get("x-script").split(";");
    this.note("request_headers.called", (count > 0).toString() + " " + end.toString());
    return this.run("request_headers", end) as FilterHeadersStatusValues;
  }

  onRequestBody(size: usize, end: bool): FilterDataStatusValues { return this.run("request_body", end) as FilterDataStatusValues; }

  onRequestTrailers(count: u32): FilterTrailersStatusValues {
    this.note("request_trailers.called", count.toString());
    return this.run("request_trailers", true) as FilterTrailersStatusValues;
  }

  onResponseHeaders(count: u32, end: bool): FilterHeadersStatusValues {
    if (this.token == "") return FilterHeadersStatusValues.Continue;
    this.note("response_headers.called", (count > 0).toString() + " " + end.toString());
    return this.run("response_headers", end) as FilterHeadersStatusValues;
  }

  onResponseBody(size: usize, end: bool): FilterDataStatusValues { return this.run("response_body", end) as FilterDataStatusValues; }

  onResponseTrailers(count: u32): FilterTrailersStatusValues {
    this.note("response_trailers.called", count.toString());
    return this.run("response_trailers", true) as FilterTrailersStatusValues;
  }

  onDone(): bool {
    if (this.token != "") { this.note("done.called", ""); this.run("done", true); }
    return true;
  }

  onLog(): void {
    if (this.token != "") { this.note("log.called", ""); this.run("log", true); }
  }

  onDelete(): void {
    if (this.token != "") this.note("delete.called", "");
  }
}

/// The pairs that belong to the test, sorted.
function own(headers: HeaderPair[]): string {
  const lines: string[] = [];
  for (let nth = 0; nth < headers.length; nth++) {
    const name = text(headers[nth].key);
    if (name.startsWith("x-c-")) lines.push(name + "=" + text(headers[nth].value));
  }
  return lines.sort().join(" ");
}

registerRootContext((id: u32) => { return new Root(id); }, "assemblyscript-root");
