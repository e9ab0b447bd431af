// A module in C, on wasi-libc alone: it does what a request's script says, as the guest in tests/guests/raw does, in the same language of
// scripts (tests/tests/conformance/case.rs). Built twice: for ABI 0.2.0, and with -DABI_0_1_0 for 0.1.0, whose header callbacks
// are not told the end of the stream and which has a few calls of its own. It exports `malloc` for the host, not
// `proxy_on_memory_allocate`.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(#name)))
#define IMPORT(name) __attribute__((import_module("env"), import_name(#name)))

// ---- The host calls, by the number and the width of their parameters (I is 64 bits).

#define CALLS_OF_ALL(X)                                                                                                        \
  X(proxy_log, iii) X(proxy_get_current_time_nanoseconds, i) X(proxy_set_tick_period_milliseconds, i)                          \
  X(proxy_get_buffer_bytes, iiiii) X(proxy_get_buffer_status, iii) X(proxy_set_buffer_bytes, iiiii)                            \
  X(proxy_get_header_map_size, ii) X(proxy_get_header_map_pairs, iii) X(proxy_set_header_map_pairs, iii)                       \
  X(proxy_get_header_map_value, iiiii) X(proxy_add_header_map_value, iiiii) X(proxy_replace_header_map_value, iiiii)           \
  X(proxy_remove_header_map_value, iii) X(proxy_send_local_response, iiiiiiii) X(proxy_http_call, iiiiiiiiii)                  \
  X(proxy_get_status, iii) X(proxy_set_shared_data, iiiii) X(proxy_get_shared_data, iiiii)                                     \
  X(proxy_register_shared_queue, iii) X(proxy_resolve_shared_queue, iiiii) X(proxy_enqueue_shared_queue, iii)                  \
  X(proxy_dequeue_shared_queue, iii) X(proxy_define_metric, iiii) X(proxy_record_metric, iI)                                   \
  X(proxy_increment_metric, iI) X(proxy_get_metric, ii) X(proxy_get_property, iiii) X(proxy_set_property, iiii)                \
  X(proxy_call_foreign_function, iiiiii) X(proxy_set_effective_context, i) X(proxy_done, none)
#ifdef ABI_0_1_0
#define CALLS(X)                                                                                                               \
  CALLS_OF_ALL(X)                                                                                                              \
  X(proxy_get_configuration, ii) X(proxy_continue_request, none) X(proxy_continue_response, none) X(proxy_clear_route_cache, none)
#else
#define CALLS(X) CALLS_OF_ALL(X) X(proxy_continue_stream, i) X(proxy_close_stream, i)
#endif

typedef int32_t i;
#define TYPE_none void
#define TYPE_i i
#define TYPE_ii i, i
#define TYPE_iii i, i, i
#define TYPE_iiii i, i, i, i
#define TYPE_iiiii i, i, i, i, i
#define TYPE_iiiiii i, i, i, i, i, i
#define TYPE_iiiiiiii i, i, i, i, i, i, i, i
#define TYPE_iiiiiiiiii i, i, i, i, i, i, i, i, i, i
#define TYPE_iI i, int64_t
#define DECLARE(name, kind) extern i name(TYPE_##kind) IMPORT(name);
CALLS(DECLARE)

#define ARGS_none
#define ARGS_i a[0]
#define ARGS_ii a[0], a[1]
#define ARGS_iii a[0], a[1], a[2]
#define ARGS_iiii a[0], a[1], a[2], a[3]
#define ARGS_iiiii a[0], a[1], a[2], a[3], a[4]
#define ARGS_iiiiii a[0], a[1], a[2], a[3], a[4], a[5]
#define ARGS_iiiiiiii a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]
#define ARGS_iiiiiiiiii a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9]
#define ARGS_iI a[0], a[1]
#define COUNT_none 0
#define COUNT(kind) ((int)sizeof(#kind) - 1)
#define CALLER(name, kind) static i call_##name(const int64_t *a) { (void)a; return name(ARGS_##kind); }
CALLS(CALLER)

static const struct call { const char *name; const char *kind; i (*invoke)(const int64_t *); } CALL[] = {
#define ROW(name, kind) {#name, #kind, call_##name},
    CALLS(ROW)};

// ---- Text that grows.

struct text { char *at; size_t length; };

static void append(struct text *text, const char *bytes, size_t length) {
  text->at = realloc(text->at, text->length + length + 1);
  memcpy(text->at + text->length, bytes, length);
  text->length += length;
  text->at[text->length] = 0;
}

static void say(struct text *text, const char *words) { append(text, words, strlen(words)); }

static void say_number(struct text *text, unsigned long long number) {
  char digits[24];
  append(text, digits, (size_t)snprintf(digits, sizeof digits, "%llu", number));
}

// Bytes as they are told: what is no plain text by its number, what is long cut short.
static void say_bytes(struct text *text, const unsigned char *bytes, size_t length) {
  say(text, "\"");
  for (size_t at = 0; at < length && at < 64; at++) {
    char code[4];
    if (bytes[at] >= ' ' && bytes[at] <= '~' && bytes[at] != '%' && bytes[at] != '"') append(text, (const char *)bytes + at, 1);
    else append(text, code, (size_t)snprintf(code, sizeof code, "%%%02x", bytes[at]));
  }
  say(text, "\"");
  if (length > 64) { say(text, "... "); say_number(text, length); say(text, " bytes"); }
}

// ---- Contexts, their scripts and their notes.

struct context {
  uint32_t id, parent;
  char *token, *script;
  uint32_t counts[32];
  struct { char name[24]; int64_t value; } variables[8];
  struct { uint32_t bytes; bool end; } flows[2];
  struct context *next;
};
struct notes { char *token; struct text lines; struct notes *next; };

static struct context *contexts;
static struct notes *reports;
static struct { uint32_t call, context; } calls[4096];
static uint32_t call_count;

static struct context *context_of(uint32_t id) {
  struct context *found = contexts;
  while (found && found->id != id) found = found->next;
  return found;
}

static struct text *report_of(const char *token) {
  struct notes *found = reports;
  while (found && strcmp(found->token, token)) found = found->next;
  if (!found) {
    found = calloc(1, sizeof *found);
    found->token = strdup(token);
    found->next = reports;
    reports = found;
  }
  return &found->lines;
}

static int64_t *variable(struct context *context, const char *name, size_t length) {
  for (int nth = 0; nth < 8; nth++) {
    char *known = context->variables[nth].name;
    if (!*known && length < 24) memcpy(known, name, length);
    if (strlen(known) == length && !memcmp(known, name, length)) return &context->variables[nth].value;
  }
  return &context->variables[7].value;
}

// ---- A line of a script: words, the call, what came of it.

static int digit(char letter) { return letter <= '9' ? letter - '0' : (letter | 32) - 'a' + 10; }

static void unescape(struct text *into, const char *from, size_t length) {
  for (size_t at = 0; at < length; at++) {
    char byte = from[at];
    if (byte == '%' && at + 2 < length + 1) { byte = (char)(digit(from[at + 1]) * 16 + digit(from[at + 2])); at += 2; }
    append(into, &byte, 1);
  }
}

// NAME=VALUE,NAME=VALUE as the ABI lays a header map out. No pairs are no bytes.
static void serialise(struct text *into, const char *from, size_t length) {
  struct text sizes = {0}, bytes = {0};
  uint32_t count = 0;
  for (size_t at = 0; at < length;) {
    size_t end = at, middle = at;
    while (end < length && from[end] != ',') end++;
    while (middle < end && from[middle] != '=') middle++;
    size_t before = bytes.length;
    unescape(&bytes, from + at, middle - at);
    uint32_t size = (uint32_t)(bytes.length - before);
    append(&sizes, (char *)&size, 4);
    append(&bytes, "", 1);
    before = bytes.length;
    if (middle < end) unescape(&bytes, from + middle + 1, end - middle - 1);
    size = (uint32_t)(bytes.length - before);
    append(&sizes, (char *)&size, 4);
    append(&bytes, "", 1);
    count++;
    at = end + 1;
  }
  if (!count) return;
  append(into, (char *)&count, 4);
  append(into, sizes.at, sizes.length);
  append(into, bytes.at, bytes.length);
}

enum out { U32, U64, CLOCK, KEPT, TEXT, LENGTH };
struct cell { enum out out; const char *name; size_t name_length; uint32_t place[2]; };

static void say_result(struct text *note, struct context *context, const char *call, struct cell *cell) {
  unsigned long long wide = cell->place[0] | (unsigned long long)cell->place[1] << 32;
  say(note, " ");
  switch (cell->out) {
    case U32: say_number(note, cell->place[0]); break;
    case U64: say_number(note, wide); break;
    case CLOCK: say(note, wide ? "some" : "0"); break;
    case KEPT:
      if (!strcmp(call, "proxy_http_call")) {
        calls[call_count % 4096].call = cell->place[0];
        calls[call_count++ % 4096].context = context->id;
      }
      *variable(context, cell->name, cell->name_length) = cell->place[0];
      say(note, cell->place[0] ? "some" : "0");
      break;
    case TEXT: say_bytes(note, (unsigned char *)(uintptr_t)cell->place[0], cell->place[1]); break;
    case LENGTH: say_number(note, cell->place[1]); say(note, " bytes"); break;
  }
  if (cell->out >= TEXT && cell->place[1]) free((void *)(uintptr_t)cell->place[0]);
}

static enum out out_of(const char *word, size_t length) {
  static const char *names[] = {"u32", "u64", "clock", "", "text", "length"};
  for (int nth = 0; nth < 6; nth++)
    if (strlen(names[nth]) == length && !memcmp(names[nth], word, length)) return (enum out)nth;
  return KEPT;
}

// Reads a word into arguments; answers where the next one begins.
static const char *word(const char *at, const char *end, struct context *context, int64_t *args, int *count, struct cell *cells,
                        int *cell_count) {
  struct text bytes = {0};
  if (*at == '\'') {
    const char *last = at + 1;
    while (last < end && *last != '\'') last++;
    unescape(&bytes, at + 1, (size_t)(last - at - 1));
    at = last + 1;
    if (at < end && *at == '*') {
      char *behind;
      struct text once = bytes;
      bytes = (struct text){0};
      for (long times = strtol(at + 1, &behind, 10); times > 0; times--) append(&bytes, once.at, once.length);
      at = behind;
    }
  } else if (*at == '{') {
    const char *last = at + 1;
    while (last < end && *last != '}') last++;
    serialise(&bytes, at + 1, (size_t)(last - at - 1));
    at = last + 1;
  } else {
    const char *last = at;
    while (last < end && *last != ' ') last++;
    if (*at == '>') {
      struct cell *cell = &cells[(*cell_count)++];
      *cell = (struct cell){out_of(at + 1, (size_t)(last - at - 1)), at + 1, (size_t)(last - at - 1), {0, 0}};
      args[(*count)++] = (intptr_t)&cell->place[0];
      if (cell->out >= TEXT) args[(*count)++] = (intptr_t)&cell->place[1];
    } else {
      args[(*count)++] = *at == '$' ? *variable(context, at + 1, (size_t)(last - at - 1)) : strtoll(at, NULL, 10);
    }
    return last;
  }
  args[(*count)++] = (intptr_t)(bytes.at ? bytes.at : "");
  args[(*count)++] = (intptr_t)bytes.length;
  return at;
}

static void run_line(struct context *context, const char *callback, const char *line, size_t length, i *returns) {
  const char *end = line + length, *at = line;
  while (at < end && *at != ' ') at++;
  size_t name_length = (size_t)(at - line);
  if (name_length == 6 && !memcmp(line, "return", 6)) { *returns = (i)strtol(at, NULL, 10); return; }
  int64_t args[16] = {0};
  struct cell cells[4];
  int count = 0, cell_count = 0;
  while (at < end) {
    if (*at == ' ') at++;
    else at = word(at, end, context, args, &count, cells, &cell_count);
  }
  struct text note = {0};
  say(&note, callback); say(&note, "."); append(&note, line, length); say(&note, " = ");
  const struct call *call = NULL;
  for (size_t nth = 0; nth < sizeof CALL / sizeof *CALL; nth++)
    if (strlen(CALL[nth].name) == name_length + 6 && !memcmp(CALL[nth].name + 6, line, name_length)) call = &CALL[nth];
  if (!call) say(&note, "no such call");
  else if ((int)(strcmp(call->kind, "none") ? strlen(call->kind) : 0) != count) say(&note, "not with so many arguments");
  else {
    i status = call->invoke(args);
    say_number(&note, (unsigned)status);
    for (int nth = 0; !status && nth < cell_count; nth++) say_result(&note, context, call->name, &cells[nth]);
  }
  say(&note, "\n");
  append(report_of(context->token), note.at, note.length);
  free(note.at);
}

// ---- A callback: its sections of the script, in their order.

enum telling { ALWAYS, SCRIPTED, NEVER };

static const char *CALLBACK[] = {"vm_start", "configure", "tick", "request_headers", "request_body", "request_trailers",
                                 "response_headers", "response_body", "response_trailers", "http_call_response", "queue_ready",
                                 "done", "log", "delete"};

static int callback_number(const char *name) {
  int nth = 0;
  while (strcmp(CALLBACK[nth], name)) nth++;
  return nth;
}

// Whether the section that begins at `head` (behind its @) is for this call.
static bool fits(const char *head, size_t length, const char *callback, uint32_t nth, bool end) {
  size_t name = 0;
  while (name < length && head[name] != '#' && head[name] != '.') name++;
  if (strlen(callback) != name || memcmp(head, callback, name)) return false;
  if (name < length && head[name] == '#') return (uint32_t)strtoul(head + name + 1, NULL, 10) == nth;
  return name == length || end;
}

// Goes through the lines for a call; without a context to run them in, only says whether there is a section.
static bool sections(struct context *context, const char *callback, uint32_t nth, bool end, bool run, i *returns) {
  bool inside = false, any = false;
  const char *at = context->script ? context->script : "";
  while (*at) {
    const char *last = strchr(at, ';');
    if (!last) last = at + strlen(at);
    const char *from = at, *to = last;
    while (from < to && *from == ' ') from++;
    while (to > from && to[-1] == ' ') to--;
    if (from < to && *from == '@') { inside = fits(from + 1, (size_t)(to - from - 1), callback, nth, end); any |= inside; }
    else if (inside && run && from < to) run_line(context, callback, from, (size_t)(to - from), returns);
    at = *last ? last + 1 : last;
  }
  return any;
}

static i run(uint32_t id, const char *callback, bool end, enum telling telling, const char *told, i otherwise) {
  struct context *context = context_of(id);
  if (!context || !context->token) return otherwise;
  uint32_t nth = ++context->counts[callback_number(callback)];
  if (telling == ALWAYS || (telling == SCRIPTED && sections(context, callback, nth, end, false, NULL))) {
    struct text *report = report_of(context->token);
    say(report, callback); say(report, ".called = "); say(report, told); say(report, "\n");
  }
  i returns = otherwise;
  sections(context, callback, nth, end, true, &returns);
  return returns;
}

static void run_waiting(const char *callback) {
  for (struct context *context = contexts; context; context = context->next) {
    uint32_t nth = context->counts[callback_number(callback)] + 1;
    if (context->token && sections(context, callback, nth, true, false, NULL)) {
      proxy_set_effective_context((i)context->id);
      run(context->id, callback, true, ALWAYS, "", 0);
    }
  }
}

// ---- The exports.

static char *header(const char *name) {
  char *data = NULL;
  uint32_t size = 0;
  if (proxy_get_header_map_value(0, (i)name, (i)strlen(name), (i)&data, (i)&size) || !size) return NULL;
  data = realloc(data, size + 1);
  data[size] = 0;
  return data;
}

#ifdef ABI_0_1_0
EXPORT(proxy_abi_version_0_1_0) void abi_version(void) {}
#else
EXPORT(proxy_abi_version_0_2_0) void abi_version(void) {}
#endif

EXPORT(proxy_on_context_create) void on_context_create(uint32_t id, uint32_t parent) {
  struct context *context = calloc(1, sizeof *context);
  context->id = id;
  context->parent = parent;
  *variable(context, "own", 3) = id;
  *variable(context, "root", 4) = parent;
  if (!parent) context->token = "root";
  context->next = contexts;
  contexts = context;
}

EXPORT(proxy_on_vm_start) i on_vm_start(uint32_t root, uint32_t size) { (void)size; return run(root, "vm_start", true, ALWAYS, "", 1); }

EXPORT(proxy_on_configure) i on_configure(uint32_t root, uint32_t size) { (void)size; return run(root, "configure", true, ALWAYS, "", 1); }

EXPORT(proxy_on_tick) void on_tick(uint32_t root) { (void)root; run_waiting("tick"); }

EXPORT(proxy_on_queue_ready) void on_queue_ready(uint32_t root, uint32_t queue) { (void)root; (void)queue; run_waiting("queue_ready"); }

static i request_headers(uint32_t id, bool end, const char *told) {
  char *token = header("x-report");
  if (token) {
    struct text *report = report_of(token);
    proxy_send_local_response(200, (i) "report", 6, (i)(report->at ? report->at : ""), (i)report->length, 0, 0, -1);
    return 1;
  }
  struct context *context = context_of(id);
  if (context && (context->script = header("x-script"))) context->token = header("x-token");
  return run(id, "request_headers", end, ALWAYS, told, 0);
}

#ifdef ABI_0_1_0
EXPORT(proxy_on_request_headers) i on_request_headers(uint32_t id, uint32_t count) { return request_headers(id, true, count ? "some" : "no"); }

EXPORT(proxy_on_response_headers) i on_response_headers(uint32_t id, uint32_t count) {
  return run(id, "response_headers", true, ALWAYS, count ? "some" : "no", 0);
}
#else
EXPORT(proxy_on_request_headers) i on_request_headers(uint32_t id, uint32_t count, uint32_t end) {
  (void)count;
  return request_headers(id, end, end ? "end true" : "end false");
}

EXPORT(proxy_on_response_headers) i on_response_headers(uint32_t id, uint32_t count, uint32_t end) {
  (void)count;
  return run(id, "response_headers", end, ALWAYS, end ? "end true" : "end false", 0);
}
#endif

static i body(uint32_t id, int direction, uint32_t size, uint32_t end) {
  struct context *context = context_of(id);
  if (!context) return 0;
  char told[40] = "the last of them, end true";
  if (!context->flows[direction].bytes) snprintf(told, sizeof told, "%u bytes, end true", (unsigned)size);
  i action = run(id, direction ? "response_body" : "request_body", end, end ? SCRIPTED : NEVER, told, 0);
  if (!action) context->flows[direction].bytes += size;
  context->flows[direction].end |= end;
  return action;
}

EXPORT(proxy_on_request_body) i on_request_body(uint32_t id, uint32_t size, uint32_t end) { return body(id, 0, size, end); }

EXPORT(proxy_on_response_body) i on_response_body(uint32_t id, uint32_t size, uint32_t end) { return body(id, 1, size, end); }

EXPORT(proxy_on_request_trailers) i on_request_trailers(uint32_t id, uint32_t count) {
  (void)count;
  return run(id, "request_trailers", true, ALWAYS, "", 0);
}

EXPORT(proxy_on_response_trailers) i on_response_trailers(uint32_t id, uint32_t count) {
  (void)count;
  return run(id, "response_trailers", true, ALWAYS, "", 0);
}

EXPORT(proxy_on_http_call_response) void on_http_call_response(uint32_t root, uint32_t call, uint32_t headers, uint32_t body, uint32_t trailers) {
  (void)root; (void)headers; (void)trailers;
  char told[24];
  snprintf(told, sizeof told, "%u bytes", (unsigned)body);
  for (uint32_t nth = 0; nth < call_count && nth < 4096; nth++) {
    if (calls[nth].call != call) continue;
    proxy_set_effective_context((i)calls[nth].context);
    run(calls[nth].context, "http_call_response", true, ALWAYS, told, 0);
    return;
  }
}

EXPORT(proxy_on_done) i on_done(uint32_t id) {
  struct context *context = context_of(id);
  char told[80] = "";
  if (context)
    snprintf(told, sizeof told, "request %u bytes, response %u bytes", (unsigned)context->flows[0].bytes, (unsigned)context->flows[1].bytes);
  return run(id, "done", true, ALWAYS, told, 1);
}

EXPORT(proxy_on_log) void on_log(uint32_t id) { run(id, "log", true, ALWAYS, "", 0); }

EXPORT(proxy_on_delete) void on_delete(uint32_t id) { run(id, "delete", true, ALWAYS, "", 0); }
