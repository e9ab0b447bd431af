// A module that calls WASI as the variable SCRIPT of its environment says, with exactly the numbers that stand there: no libc is in
// between. The result of each call, and each piece of memory that the script wants to see, is written to the log at the level
// `critical`. Built once for each preview. README.md has the language of scripts.
#include <stdbool.h>
#include <stdint.h>

#ifdef PREVIEW_0
#define WASI "wasi_unstable"
#else
#define WASI "wasi_snapshot_preview1"
#endif

#define EXPORT(name) __attribute__((export_name(#name)))
#define IMPORT(module, name) __attribute__((import_module(module), import_name(#name)))

// ---- The functions, by the width of their parameters (I is 64 bits). All but `proc_exit` return an error number.

#define CALLS_OF_ALL(X)                                                                                                        \
  X(args_get, ii) X(args_sizes_get, ii) X(clock_res_get, ii) X(clock_time_get, iIi) X(environ_get, ii)                         \
  X(environ_sizes_get, ii) X(fd_advise, iIIi) X(fd_allocate, iII) X(fd_close, i) X(fd_datasync, i) X(fd_fdstat_get, ii)        \
  X(fd_fdstat_set_flags, ii) X(fd_fdstat_set_rights, iII) X(fd_filestat_get, ii) X(fd_filestat_set_size, iI)                   \
  X(fd_filestat_set_times, iIIi) X(fd_pread, iiiIi) X(fd_prestat_dir_name, iii) X(fd_prestat_get, ii) X(fd_pwrite, iiiIi)      \
  X(fd_read, iiii) X(fd_readdir, iiiIi) X(fd_renumber, ii) X(fd_seek, iIii) X(fd_sync, i) X(fd_tell, ii) X(fd_write, iiii)     \
  X(path_create_directory, iii) X(path_filestat_get, iiiii) X(path_filestat_set_times, iiiiIIi) X(path_link, iiiiiii)          \
  X(path_open, iiiiiIIii) X(path_readlink, iiiiii) X(path_remove_directory, iii) X(path_rename, iiiiii)                        \
  X(path_symlink, iiiii) X(path_unlink_file, iii) X(poll_oneoff, iiii) X(proc_raise, i) X(random_get, ii) X(sched_yield, none) \
  X(sock_recv, iiiiii) X(sock_send, iiiii) X(sock_shutdown, ii)
#ifdef PREVIEW_0
#define CALLS(X) CALLS_OF_ALL(X)
#else
#define CALLS(X) CALLS_OF_ALL(X) X(sock_accept, iii)
#endif

typedef int32_t i;
typedef int64_t I;
#define TYPE_none void
#define TYPE_i i
#define TYPE_ii i, i
#define TYPE_iii i, i, i
#define TYPE_iiii i, i, i, i
#define TYPE_iiiii i, i, i, i, i
#define TYPE_iiiiii i, i, i, i, i, i
#define TYPE_iiiiiii i, i, i, i, i, i, i
#define TYPE_iI i, I
#define TYPE_iII i, I, I
#define TYPE_iIi i, I, i
#define TYPE_iIIi i, I, I, i
#define TYPE_iIii i, I, i, i
#define TYPE_iiiIi i, i, i, I, i
#define TYPE_iiiiIIi i, i, i, i, I, I, i
#define TYPE_iiiiiIIii i, i, i, i, i, I, I, i, i
#define DECLARE(name, kind) extern i name(TYPE_##kind) IMPORT(WASI, name);
CALLS(DECLARE)
extern _Noreturn void proc_exit(i) IMPORT(WASI, proc_exit);
extern i proxy_log(i, const char *, i) IMPORT("env", proxy_log);

#define ARGS_none
#define ARGS_i a[0]
#define ARGS_ii a[0], a[1]
#define ARGS_iii a[0], a[1], a[2]
#define ARGS_iiii a[0], a[1], a[2], a[3]
#define ARGS_iiiii a[0], a[1], a[2], a[3], a[4]
#define ARGS_iiiiii a[0], a[1], a[2], a[3], a[4], a[5]
#define ARGS_iiiiiii a[0], a[1], a[2], a[3], a[4], a[5], a[6]
#define ARGS_iI ARGS_ii
#define ARGS_iII ARGS_iii
#define ARGS_iIi ARGS_iii
#define ARGS_iIIi ARGS_iiii
#define ARGS_iIii ARGS_iiii
#define ARGS_iiiIi ARGS_iiiii
#define ARGS_iiiiIIi ARGS_iiiiiii
#define ARGS_iiiiiIIii a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8]
#define MAX_ARGUMENTS 9

// ---- Text.

static bool is(const char *one, const char *other) {
  while (*one && *one == *other) one++, other++;
  return *one == *other;
}

static void tell(const char *text, i len) { proxy_log(5, text, len); }

static void tell_number(uint64_t number) {
  char text[20];
  i at = sizeof text;
  do text[--at] = '0' + number % 10;
  while (number /= 10);
  tell(text + at, sizeof text - at);
}

static void tell_bytes(const uint8_t *bytes, I len) {
  static char text[1024];
  i at = 0;
  for (I nth = 0; nth < len && at < (i)sizeof text; nth++) {
    text[at++] = "0123456789abcdef"[bytes[nth] >> 4];
    text[at++] = "0123456789abcdef"[bytes[nth] & 15];
  }
  tell(text, at);
}

// ---- Scripts.

// What a script calls `m`.
static uint8_t room[256 * 1024] __attribute__((aligned(16)));

// A number, `m` for the room's address, or `end` for the size of the memory; after either, `+N` or `-N`.
static I number(const char *word) {
  I value = 0, sum = 0;
  if (*word == 'm') sum = (i)(intptr_t)room, word += 1;
  if (*word == 'e') sum = (I)__builtin_wasm_memory_size(0) << 16, word += 3;
  bool is_negative = *word == '-';
  if (*word == '-' || *word == '+') word++;
  while (*word) value = value * 10 + (*word++ - '0');
  return sum + (is_negative ? -value : value);
}

static void store(I at, I value, i bytes) {
  for (uint8_t *to = (uint8_t *)(intptr_t)at; bytes--; value >>= 8) *to++ = value;
}

static uint64_t load(I at) { return *(const uint64_t *)(intptr_t)at; }

static void obey(const char *verb, const I *a) {
  if (is(verb, "set8")) return store(a[0], a[1], 1);
  if (is(verb, "set16")) return store(a[0], a[1], 2);
  if (is(verb, "set32")) return store(a[0], a[1], 4);
  if (is(verb, "set64")) return store(a[0], a[1], 8);
  if (is(verb, "fill")) {
    for (I nth = 0; nth < a[1]; nth++) store(a[0] + nth, a[2], 1);
    return;
  }
  if (is(verb, "show")) return tell_bytes((const uint8_t *)(intptr_t)a[0], a[1]);
  if (is(verb, "differ")) return tell_number(load(a[0]) != load(a[1]));
  if (is(verb, "rises")) return tell_number(load(a[0]) > 0 && load(a[0]) <= load(a[1]));
  if (is(verb, "proc_exit")) proc_exit(a[0]);
#define CALL(name, kind)                                                                                                       \
  if (is(verb, #name)) return tell_number((uint32_t)name(ARGS_##kind));
  CALLS(CALL)
  __builtin_trap();
}

// Statements end with `;`, words with a blank.
static void run(char *script) {
  while (*script) {
    char *verb = script;
    I arguments[MAX_ARGUMENTS] = {0};
    i count = -1;
    bool is_last = false;
    while (!is_last) {
      char *word = script;
      while (*script != ' ' && *script != ';') script++;
      is_last = *script == ';';
      *script++ = 0;
      if (count >= 0) arguments[count] = number(word);
      if (++count > MAX_ARGUMENTS) __builtin_trap();
    }
    obey(verb, arguments);
  }
}

EXPORT(proxy_abi_version_0_2_1) void abi(void) {}

EXPORT(proxy_on_vm_start) i start(i context, i size) {
  (void)context, (void)size;
  static char *variables[16];
  static char text[16 * 1024];
  uint32_t count, bytes;
  if (environ_sizes_get((i)(intptr_t)&count, (i)(intptr_t)&bytes) || count > 16 || bytes > sizeof text) __builtin_trap();
  if (environ_get((i)(intptr_t)variables, (i)(intptr_t)text)) __builtin_trap();
  for (uint32_t nth = 0; nth < count; nth++) {
    char *value = variables[nth];
    while (*value != '=') value++;
    *value++ = 0;
    if (is(variables[nth], "SCRIPT")) run(value);
  }
  return 1;
}
