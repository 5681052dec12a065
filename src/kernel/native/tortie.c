/*
 * The door to the system calls that Node lacks: sockets of any family, netlink readiness, setns, scheduling.
 *
 * No policy here: each function is one system call with its arguments, returning its result or -errno. Names, retries,
 * messages and meaning are in TypeScript (../native.ts). Plain C against N-API, so one binary serves every Node; the
 * only library needed is libc. libuv's functions come from the Node executable itself; its headers are not needed,
 * because a handle is opaque here and sized by uv_handle_size().
 *
 * State: none but the poll handles, each owned by the JavaScript value that holds it until unpoll() or the end of the
 * environment, and what a thread of libuv's pool is sending, which is owned by its promise.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 8
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <malloc.h>
#include <node_api.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- libuv, as much of its stable ABI as is used ---- */

typedef struct uv_loop_s uv_loop_t;
typedef struct uv_handle_s uv_handle_t;
typedef struct uv_handle_s uv_poll_t; /* opaque: only its address is passed on */
enum { UV_POLL = 8, UV_READABLE = 1, UV_WRITABLE = 2 };
extern size_t uv_handle_size(int type);
extern void uv_handle_set_data(uv_handle_t *handle, void *data);
extern void *uv_handle_get_data(const uv_handle_t *handle);
extern int uv_poll_init(uv_loop_t *loop, uv_poll_t *handle, int fd);
extern int uv_poll_start(uv_poll_t *handle, int events, void (*callback)(uv_poll_t *, int, int));
extern int uv_poll_stop(uv_poll_t *handle);
extern void uv_close(uv_handle_t *handle, void (*callback)(uv_handle_t *));

/* ---- arguments and results ---- */

enum { MOST_ARGUMENTS = 5 };

typedef struct {
  napi_env env;
  size_t count;
  napi_value at[MOST_ARGUMENTS];
} arguments;

static arguments arguments_of(napi_env env, napi_callback_info info) {
  arguments args = {.env = env, .count = MOST_ARGUMENTS};
  napi_get_cb_info(env, info, &args.count, args.at, NULL, NULL);
  return args;
}

static napi_value number(napi_env env, int64_t value) {
  napi_value result;
  return napi_create_int64(env, value, &result) == napi_ok ? result : NULL;
}

/* The result of a system call: itself, or -errno. */
static napi_value outcome(napi_env env, int64_t result) {
  return number(env, result < 0 ? -errno : result);
}

static napi_value refuse(napi_env env, const char *why) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", why);
  return NULL;
}

static int int_at(const arguments *args, size_t index, int32_t *value) {
  return index < args->count && napi_get_value_int32(args->env, args->at[index], value) == napi_ok;
}

typedef struct {
  uint8_t *data;
  size_t length; /* in octets */
} octets;

/* A Uint8Array or any other typed array, as octets. Undefined or absent gives none and is no error. */
static int octets_at(const arguments *args, size_t index, octets *value) {
  *value = (octets){NULL, 0};
  if (index >= args->count) return 1;
  napi_valuetype type;
  if (napi_typeof(args->env, args->at[index], &type) != napi_ok) return 0;
  if (type == napi_undefined) return 1;
  bool typed = false;
  if (napi_is_typedarray(args->env, args->at[index], &typed) != napi_ok || !typed) return 0;
  static const uint8_t width[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  napi_typedarray_type kind;
  size_t items = 0;
  void *data = NULL;
  if (napi_get_typedarray_info(args->env, args->at[index], &kind, &items, &data, NULL, NULL) != napi_ok) return 0;
  if ((size_t)kind >= sizeof width) return 0;
  *value = (octets){data, items * width[kind]};
  return 1;
}

/* ---- sockets ---- */

/* socket(domain, type, protocol): fd, close-on-exec and non-blocking */
static napi_value js_socket(napi_env env, napi_callback_info info) {
  arguments args = arguments_of(env, info);
  int32_t domain, type, protocol;
  if (!int_at(&args, 0, &domain) || !int_at(&args, 1, &type) || !int_at(&args, 2, &protocol))
    return refuse(env, "socket(domain, type, protocol): three integers");
  return outcome(env, socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
}

/* close(fd) */
static napi_value js_close(napi_env env, napi_callback_info info) {
  arguments args = arguments_of(env, info);
  int32_t fd;
  if (!int_at(&args, 0, &fd)) return refuse(env, "close(fd): an integer");
  return outcome(env, close(fd));
}

/* dup(fd): another fd of the same socket, close-on-exec */
static napi_value js_dup(napi_env env, napi_callback_info info) {
  arguments args = arguments_of(env, info);
  int32_t fd;
  if (!int_at(&args, 0, &fd)) return refuse(env, "dup(fd): an integer");
  return outcome(env, fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

typedef int (*address_call)(int, const struct sockaddr *, socklen_t);

static napi_value with_address(napi_env env, napi_callback_info info, address_call call) {
  arguments args = arguments_of(env, info);
  int32_t fd;
  octets address;
  if (!int_at(&args, 0, &fd) || !octets_at(&args, 1, &address) || address.data == NULL)
    return refuse(env, "bind or connect(fd, sockaddr): an integer and a Uint8Array");
  return outcome(env, call(fd, (const struct sockaddr *)address.data, (socklen_t)address.length));
}

/* bind(fd, sockaddr) */
static napi_value js_bind(napi_env env, napi_callback_info info) { return with_address(env, info, bind); }

/* connect(fd, sockaddr): -EINPROGRESS while it goes on */
static napi_value js_connect(napi_env env, napi_callback_info info) { return with_address(env, info, connect); }

/* getsockname(fd, into): length of the address */
static napi_value js_getsockname(napi_env env, napi_callback_info info) {
  arguments args = arguments_of(env, info);
  int32_t fd;
  octets into;
  if (!int_at(&args, 0, &fd) || !octets_at(&args, 1, &into) || into.data == NULL)
    return refuse(env, "getsockname(fd, into): an integer and a Uint8Array");
  socklen_t length = (socklen_t)into.length;
  int result = getsockname(fd, (struct sockaddr *)into.data, &length);
  return outcome(env, result < 0 ? result : (int64_t)length);
}

/* setsockopt(fd, level, name, value) */
static napi_value js_setsockopt(napi_env env, napi_callback_info info) {
  arguments args = arguments_of(env, info);
  int32_t fd, level, name;
  octets value;
  if (!int_at(&args, 0, &fd) || !int_at(&args, 1, &level) || !int_at(&args, 2, &name) || !octets_at(&args, 3, &value))
    return refuse(env, "setsockopt(fd, level, name, value): three integers and a Uint8Array");
  return outcome(env, setsockopt(fd, level, name, value.data, (socklen_t)value.length));
}

/* getsockopt(fd, level, name, into): length of the value */
static napi_value js_getsockopt(napi_env env, napi_callback_info info) {
  arguments args = arguments_of(env, info);
  int32_t fd, level, name;
  octets into;
  if (!int_at(&args, 0, &fd) || !int_at(&args, 1, &level) || !int_at(&args, 2, &name) || !octets_at(&args, 3, &into))
    return refuse(env, "getsockopt(fd, level, name, into): three integers and a Uint8Array");
  socklen_t length = (socklen_t)into.length;
  int result = getsockopt(fd, level, name, into.data, &length);
  return outcome(env, result < 0 ? result : (int64_t)length);
}

/* filter(fd, program): what the socket lets in; the program is an array of struct sock_filter (socket(7)) */
static napi_value js_filter(napi_env env, napi_callback_info info) {
  arguments args = arguments_of(env, info);
  int32_t fd;
  octets program;
  if (!int_at(&args, 0, &fd) || !octets_at(&args, 1, &program) || program.length % sizeof(struct sock_filter) != 0)
    return refuse(env, "filter(fd, program): an integer and a Uint8Array of whole instructions");
  struct sock_fprog all = {(unsigned short)(program.length / sizeof(struct sock_filter)), (struct sock_filter *)program.data};
  return outcome(env, setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &all, sizeof all));
}

/* send(fd, bytes, flags, sockaddr?): octets sent */
static napi_value js_send(napi_env env, napi_callback_info info) {
  arguments args = arguments_of(env, info);
  int32_t fd, flags;
  octets bytes, address;
  if (!int_at(&args, 0, &fd) || !octets_at(&args, 1, &bytes) || !int_at(&args, 2, &flags) || !octets_at(&args, 3, &address))
    return refuse(env, "send(fd, bytes, flags, sockaddr?): integer, Uint8Array, integer, Uint8Array");
  ssize_t sent;
  do {
    sent = sendto(fd, bytes.data, bytes.length, flags | MSG_NOSIGNAL, (const struct sockaddr *)address.data,
                  (socklen_t)address.length);
  } while (sent < 0 && errno == EINTR);
  return outcome(env, sent);
}

typedef struct {
  napi_async_work work;
  napi_deferred promise;
  napi_ref keeps; /* the bytes */
  int fd, flags;
  octets bytes;
  int64_t result;
} sending;

static void send_elsewhere(napi_env env, void *data) {
  (void)env;
  sending *one = data;
  ssize_t sent;
  do {
    sent = send(one->fd, one->bytes.data, one->bytes.length, one->flags | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  one->result = sent < 0 ? -errno : sent;
}

static void sent_elsewhere(napi_env env, napi_status status, void *data) {
  sending *one = data;
  napi_value result = number(env, status == napi_ok ? one->result : -ECANCELED);
  if (result != NULL) napi_resolve_deferred(env, one->promise, result);
  napi_delete_reference(env, one->keeps);
  napi_delete_async_work(env, one->work);
  free(one);
}

/* sendElsewhere(fd, bytes, flags): a promise of the octets sent or -errno; a thread of libuv's pool waits for the kernel. The
 * caller leaves the bytes as they are and the fd open until then. */
static napi_value js_send_elsewhere(napi_env env, napi_callback_info info) {
  arguments args = arguments_of(env, info);
  sending found = {0};
  if (!int_at(&args, 0, &found.fd) || !octets_at(&args, 1, &found.bytes) || found.bytes.data == NULL ||
      !int_at(&args, 2, &found.flags))
    return refuse(env, "sendElsewhere(fd, bytes, flags): integer, Uint8Array, integer");
  sending *one = malloc(sizeof *one);
  napi_value promise, name;
  if (one == NULL) return refuse(env, "sendElsewhere: no memory");
  *one = found;
  if (napi_create_string_utf8(env, "send", NAPI_AUTO_LENGTH, &name) == napi_ok &&
      napi_create_reference(env, args.at[1], 1, &one->keeps) == napi_ok &&
      napi_create_async_work(env, NULL, name, send_elsewhere, sent_elsewhere, one, &one->work) == napi_ok &&
      napi_create_promise(env, &one->promise, &promise) == napi_ok && napi_queue_async_work(env, one->work) == napi_ok)
    return promise;
  if (one->work != NULL) napi_delete_async_work(env, one->work);
  if (one->keeps != NULL) napi_delete_reference(env, one->keeps);
  free(one);
  return refuse(env, "sendElsewhere: it cannot be queued");
}

/* receive(fd, into, from?): octets of one datagram, never waiting; the sender's sockaddr goes into `from` */
static napi_value js_receive(napi_env env, napi_callback_info info) {
  arguments args = arguments_of(env, info);
  int32_t fd;
  octets into, from;
  if (!int_at(&args, 0, &fd) || !octets_at(&args, 1, &into) || into.data == NULL || !octets_at(&args, 2, &from))
    return refuse(env, "receive(fd, into, from?): an integer and one or two Uint8Arrays");
  socklen_t length = (socklen_t)from.length;
  ssize_t got;
  do {
    got = recvfrom(fd, into.data, into.length, MSG_DONTWAIT, (struct sockaddr *)from.data,
                   from.data == NULL ? NULL : &length);
  } while (got < 0 && errno == EINTR);
  return outcome(env, got);
}

/*
 * receiveMany(fd, into, ends, room): number of datagrams, packed one after another into `into`.
 *
 * ends[i] is the offset where datagram i ends. It stops when fewer than `room` octets or two entries are left, or when
 * the socket has no more; ends[count] then tells why: 0 for lack of space, -errno for what the socket said.
 */
static napi_value js_receive_many(napi_env env, napi_callback_info info) {
  arguments args = arguments_of(env, info);
  int32_t fd, room;
  octets into, raw;
  if (!int_at(&args, 0, &fd) || !octets_at(&args, 1, &into) || !octets_at(&args, 2, &raw) || !int_at(&args, 3, &room) ||
      into.data == NULL || raw.length < sizeof(int32_t) || room <= 0)
    return refuse(env, "receiveMany(fd, into, ends, room): integer, Uint8Array, Int32Array, positive integer");
  int32_t *ends = (int32_t *)raw.data;
  size_t most = raw.length / sizeof(int32_t) - 1, count = 0, at = 0;
  ends[0] = 0;
  while (count < most && into.length - at >= (size_t)room) {
    ssize_t got = recv(fd, into.data + at, into.length - at, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      ends[count] = -errno;
      break;
    }
    at += (size_t)got;
    ends[count++] = (int32_t)at;
    ends[count] = 0;
  }
  return number(env, (int64_t)count);
}

/*
 * receiveMessage(fd, into, from, control, controlLength): octets of one datagram, never waiting. The sender's sockaddr
 * goes into `from`, the ancillary data (cmsg(3)) into `control`, and how much of it there is into controlLength[0].
 */
static napi_value js_receive_message(napi_env env, napi_callback_info info) {
  arguments args = arguments_of(env, info);
  int32_t fd;
  octets into, from, control, length;
  if (!int_at(&args, 0, &fd) || !octets_at(&args, 1, &into) || !octets_at(&args, 2, &from) ||
      !octets_at(&args, 3, &control) || !octets_at(&args, 4, &length) || into.data == NULL || length.length < sizeof(int32_t))
    return refuse(env, "receiveMessage(fd, into, from, control, controlLength): an integer and four typed arrays");
  struct iovec data = {into.data, into.length};
  struct msghdr message = {
      .msg_name = from.data,
      .msg_namelen = (socklen_t)from.length,
      .msg_iov = &data,
      .msg_iovlen = 1,
      .msg_control = control.data,
      .msg_controllen = control.length,
  };
  ssize_t got;
  do {
    got = recvmsg(fd, &message, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got >= 0) *(int32_t *)length.data = (int32_t)message.msg_controllen;
  return outcome(env, got);
}

/* ---- readiness ---- */

typedef struct {
  napi_env env;
  napi_ref callback;
  napi_async_cleanup_hook_handle cleanup;
  uv_poll_t *handle;
  int events;
  int closing;
} poller;

static void poller_closed(uv_handle_t *handle) {
  poller *self = uv_handle_get_data(handle);
  if (self->cleanup != NULL) napi_remove_async_cleanup_hook(self->cleanup);
  free(handle);
  free(self);
}

static void poller_close(poller *self) {
  if (self->closing) return;
  self->closing = 1;
  uv_poll_stop(self->handle);
  napi_delete_reference(self->env, self->callback);
  uv_close(self->handle, poller_closed);
}

static void poller_cleanup(napi_async_cleanup_hook_handle hook, void *data) {
  (void)hook;
  poller_close(data);
}

static void poller_ready(uv_poll_t *handle, int status, int events);

/*
 * libuv stops a handle on EPOLLERR (status < 0): that is how an overrun of a netlink socket (ENOBUFS) shows. The
 * callback reads the error from the socket, which clears it, and polling goes on.
 */
static void poller_call(poller *self, int status, int events) {
  napi_handle_scope scope;
  if (napi_open_handle_scope(self->env, &scope) != napi_ok) return;
  napi_value callback, receiver, argument = number(self->env, status < 0 ? status : events), result;
  napi_get_reference_value(self->env, self->callback, &callback);
  napi_get_global(self->env, &receiver);
  if (napi_make_callback(self->env, NULL, receiver, callback, 1, &argument, &result) == napi_pending_exception) {
    napi_value error;
    napi_get_and_clear_last_exception(self->env, &error);
    napi_fatal_exception(self->env, error);
  }
  if (status < 0 && !self->closing) uv_poll_start(self->handle, self->events, poller_ready);
  napi_close_handle_scope(self->env, scope);
}

static void poller_ready(uv_poll_t *handle, int status, int events) {
  poller_call(uv_handle_get_data(handle), status, events);
}

/* poll(fd, events, callback): a handle; callback(events or -errno) runs while the fd is ready for 1 read or 2 write */
static napi_value js_poll(napi_env env, napi_callback_info info) {
  arguments args = arguments_of(env, info);
  int32_t fd, events;
  napi_valuetype type = napi_undefined;
  if (args.count > 2) napi_typeof(env, args.at[2], &type);
  if (!int_at(&args, 0, &fd) || !int_at(&args, 1, &events) || type != napi_function)
    return refuse(env, "poll(fd, events, callback): two integers and a function");
  uv_loop_t *loop = NULL;
  if (napi_get_uv_event_loop(env, (struct uv_loop_s **)&loop) != napi_ok) return refuse(env, "no event loop");
  poller *self = calloc(1, sizeof *self);
  uv_poll_t *handle = calloc(1, uv_handle_size(UV_POLL));
  if (self == NULL || handle == NULL) abort();
  int failed = uv_poll_init(loop, handle, fd);
  if (failed != 0) {
    free(self);
    free(handle);
    return number(env, failed);
  }
  *self = (poller){.env = env, .handle = handle, .events = events & (UV_READABLE | UV_WRITABLE)};
  uv_handle_set_data(handle, self);
  napi_create_reference(env, args.at[2], 1, &self->callback);
  napi_add_async_cleanup_hook(env, poller_cleanup, self, &self->cleanup);
  uv_poll_start(handle, self->events, poller_ready);
  napi_value result;
  return napi_create_external(env, self, NULL, NULL, &result) == napi_ok ? result : NULL;
}

/* unpoll(handle): once only; the fd is still the caller's to close */
static napi_value js_unpoll(napi_env env, napi_callback_info info) {
  arguments args = arguments_of(env, info);
  void *self = NULL;
  if (args.count < 1 || napi_get_value_external(env, args.at[0], &self) != napi_ok || self == NULL)
    return refuse(env, "unpoll(handle): what poll returned");
  poller_close(self);
  return number(env, 0);
}

/* ---- namespaces ---- */

/* setns(fd, kind): moves the calling thread, and only it */
static napi_value js_setns(napi_env env, napi_callback_info info) {
  arguments args = arguments_of(env, info);
  int32_t fd, kind;
  if (!int_at(&args, 0, &fd) || !int_at(&args, 1, &kind)) return refuse(env, "setns(fd, kind): two integers");
  return outcome(env, setns(fd, kind));
}

/* ---- scheduling ---- */

/* schedule(thread, policy, priority): as in sched_setscheduler(2); thread 0 is the calling one */
static napi_value js_schedule(napi_env env, napi_callback_info info) {
  arguments args = arguments_of(env, info);
  int32_t thread, policy;
  struct sched_param parameters = {0};
  if (!int_at(&args, 0, &thread) || !int_at(&args, 1, &policy) || !int_at(&args, 2, &parameters.sched_priority))
    return refuse(env, "schedule(thread, policy, priority): three integers");
  return outcome(env, sched_setscheduler(thread, policy, &parameters));
}

/* renice(value): of the calling thread; Linux keeps a nice value for each (setpriority(2)) */
static napi_value js_renice(napi_env env, napi_callback_info info) {
  arguments args = arguments_of(env, info);
  int32_t value;
  if (!int_at(&args, 0, &value)) return refuse(env, "renice(value): an integer");
  return outcome(env, setpriority(PRIO_PROCESS, 0, value));
}

/* ---- memory ---- */

/* madvise(address, length, advice) */
static napi_value js_madvise(napi_env env, napi_callback_info info) {
  arguments args = arguments_of(env, info);
  int64_t address, length;
  int32_t advice;
  if (args.count < 3 || napi_get_value_int64(env, args.at[0], &address) != napi_ok ||
      napi_get_value_int64(env, args.at[1], &length) != napi_ok || !int_at(&args, 2, &advice) || length < 0)
    return refuse(env, "madvise(address, length, advice): three integers");
  return outcome(env, madvise((void *)(intptr_t)address, (size_t)length, advice));
}

/* trim(): what malloc holds and nobody uses goes back to the kernel, as far as whole pages are free */
static napi_value js_trim(napi_env env, napi_callback_info info) {
  (void)info;
  return number(env, malloc_trim(0));
}

/* ---- the module ---- */

NAPI_MODULE_INIT() {
  static const struct {
    const char *name;
    napi_callback function;
  } table[] = {
      {"socket", js_socket},
      {"close", js_close},
      {"dup", js_dup},
      {"bind", js_bind},
      {"connect", js_connect},
      {"getsockname", js_getsockname},
      {"setsockopt", js_setsockopt},
      {"getsockopt", js_getsockopt},
      {"filter", js_filter},
      {"send", js_send},
      {"sendElsewhere", js_send_elsewhere},
      {"receive", js_receive},
      {"receiveMany", js_receive_many},
      {"receiveMessage", js_receive_message},
      {"poll", js_poll},
      {"unpoll", js_unpoll},
      {"setns", js_setns},
      {"schedule", js_schedule},
      {"renice", js_renice},
      {"madvise", js_madvise},
      {"trim", js_trim},
  };
  for (size_t index = 0; index < sizeof table / sizeof *table; index++) {
    napi_value function;
    if (napi_create_function(env, table[index].name, NAPI_AUTO_LENGTH, table[index].function, NULL, &function) != napi_ok ||
        napi_set_named_property(env, exports, table[index].name, function) != napi_ok)
      return NULL;
  }
  return exports;
}
