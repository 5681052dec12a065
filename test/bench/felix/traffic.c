/*
 * Traffic for the packet rows, as cheap as it gets, so that what is between shows.
 *
 *   traffic serve PORT                         everything below, until it is killed
 *   traffic stream ADDRESS PORT MILLISECONDS   one connection, as much as goes: prints octets and microseconds
 *   traffic connect ADDRESS PORT MILLISECONDS  connect, one octet there and back, reset: prints connections and microseconds
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char block[1 << 17];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double now_us(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1e6 + at.tv_nsec / 1e3;
}

static int open_socket(void) {
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) die("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  return fd;
}

/* An octet is answered by one; of more, nothing is said. */
static void serve(int port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
  int listener = open_socket();
  if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0) die("bind");
  if (listen(listener, 4096) < 0) die("listen");
  int poller = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, got[64];
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  puts("serving");
  fflush(stdout);
  for (;;) {
    int count = epoll_wait(poller, got, 64, -1);
    for (int i = 0; i < count; i++) {
      int fd = got[i].data.fd;
      if (fd == listener) {
        int next = accept(listener, NULL, NULL);
        if (next < 0) continue;
        event.data.fd = next;
        epoll_ctl(poller, EPOLL_CTL_ADD, next, &event);
        continue;
      }
      ssize_t length = recv(fd, block, sizeof block, MSG_DONTWAIT);
      if (length == 1) send(fd, block, 1, MSG_NOSIGNAL);
      else if (length == 0 || (length < 0 && errno != EAGAIN)) close(fd);
    }
  }
}

static int reach(const struct sockaddr_in *at) {
  int fd = open_socket();
  struct linger reset = {.l_onoff = 1};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  if (connect(fd, (const struct sockaddr *)at, sizeof *at) < 0) die("connect");
  return fd;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "serve") == 0) serve(atoi(argv[2]));
  if (argc != 5) {
    fprintf(stderr, "traffic serve PORT | stream|connect ADDRESS PORT MILLISECONDS\n");
    return 2;
  }
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
  inet_pton(AF_INET, argv[2], &at.sin_addr);
  double count = 0, begun = now_us(), until = begun + atof(argv[4]) * 1e3;
  if (strcmp(argv[1], "stream") == 0) {
    int fd = reach(&at);
    /* Slow start is not what is measured. */
    for (double warm = begun + 5e3; now_us() < warm;)
      if (send(fd, block, sizeof block, 0) < 0) die("send");
    for (begun = now_us(), until += 5e3; now_us() < until;) {
      ssize_t sent = send(fd, block, sizeof block, 0);
      if (sent < 0) die("send");
      count += sent;
    }
    close(fd);
  } else {
    while (now_us() < until) {
      int fd = reach(&at);
      if (send(fd, block, 1, 0) != 1 || recv(fd, block, 1, 0) != 1) die("echo");
      close(fd);
      count++;
    }
  }
  printf("%.0f %.0f\n", count, now_us() - begun);
  return 0;
}
