// Hides paths: a request for one gets a 404, as if the path did not exist. Requests that pass are counted, and their responses get
// the number. With the SDK `@gcoredev/proxy-wasm-sdk-as`; the decision is in hidden.ts.
export * from "@gcoredev/proxy-wasm-sdk-as/assembly/proxy";
import {
  Context, Counter, FilterHeadersStatusValues, log, LogLevelValues, makeHeaderPair, registerRootContext, RootContext,
  send_http_response, stream_context,
} from "@gcoredev/proxy-wasm-sdk-as/assembly";
import { proxy_on_delete as streamIsDeleted, proxy_on_done as streamIsDone } from "@gcoredev/proxy-wasm-sdk-as/assembly/exports";
import { isHidden, prefixes } from "./hidden";

let root: u32 = 0;

class Root extends RootContext {
  hidden: string[] = [];
  passed: u64 = 0;
  refused: Counter = new Counter("hidden_requests");

  createContext(id: u32): Context { return new Request(id, this); }

  onConfigure(size: u32): bool {
    super.onConfigure(size);
    this.hidden = prefixes(this.getConfiguration());
    for (let nth = 0; nth < this.hidden.length; nth++) {
      if (!this.hidden[nth].startsWith("/")) {
        log(LogLevelValues.error, "\"" + this.hidden[nth] + "\" is not a path: it does not start with a slash");
        return false;
      }
    }
    return true;
  }
}

class Request extends Context {
  plugin: Root;
  number: u64 = 0;

  constructor(id: u32, plugin: Root) {
    super(id, plugin);
    this.plugin = plugin;
  }

  onRequestHeaders(count: u32, end: bool): FilterHeadersStatusValues {
    const path = stream_context.headers.request.get(":path");
    if (isHidden(path, this.plugin.hidden)) {
      this.plugin.refused.increment(1);
      log(LogLevelValues.info, "hidden: " + path);
      const kind = makeHeaderPair("content-type", "application/problem+json");
      const body = "{\"title\":\"not found\",\"status\":404}";
      send_http_response(404, "hidden", String.UTF8.encode(body), [kind]);
      return FilterHeadersStatusValues.StopIteration;
    }
    this.plugin.passed += 1;
    this.number = this.plugin.passed;
    return FilterHeadersStatusValues.Continue;
  }

  onResponseHeaders(count: u32, end: bool): FilterHeadersStatusValues {
    if (this.number > 0) stream_context.headers.response.replace("x-passed", this.number.toString());
    return FilterHeadersStatusValues.Continue;
  }
}

// For the end of the root context, the SDK searches it among the streams, and traps. So these exports handle it.
export function proxy_on_done(id: u32): u32 { return id == root ? 1 : streamIsDone(id); }

export function proxy_on_delete(id: u32): void { if (id != root) streamIsDeleted(id); }

registerRootContext((id: u32) => { root = id; return new Root(id); }, "hide");
