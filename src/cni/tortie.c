/*
 * The CNI plugin `tortie`: a thin door that hands what the container runtime gives it (environment and stdin) to the
 * node agent over its Unix socket, and hands back the answer. Everything that is decided is decided there, but for
 * VERSION, which must be answered on a node whose agent is not up (supportedVersions: the same as in spec.ts, tested).
 *
 * Static, because it runs from the host's /opt/cni/bin whatever libc is there, and small, because it runs for each pod.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

enum { CONFIG_LIMIT = 512 * 1024, ANSWER_LIMIT = 1024 * 1024, VALUE_LIMIT = 4096, ANSWER_SECONDS = 90 };

static const char *const passed[][2] = {
    {"CNI_COMMAND", "CNI-Command"}, {"CNI_CONTAINERID", "CNI-ContainerID"}, {"CNI_NETNS", "CNI-Netns"},
    {"CNI_IFNAME", "CNI-IfName"},   {"CNI_ARGS", "CNI-Args"},               {"CNI_PATH", "CNI-Path"},
};
static char config[CONFIG_LIMIT + 1], answer[ANSWER_LIMIT + 1], head[sizeof passed / sizeof *passed * (VALUE_LIMIT + 64)];
static char version[16] = "1.1.0"; /* what errors are labelled with: the configuration's own, once it is read */
static const char *path = "/run/tortie/felix.sock";

/* The spec's error form on stdout; `subject` is made fit for a JSON string. */
static int fail(int code, const char *before, const char *subject, const char *after) {
    char safe[256];
    snprintf(safe, sizeof safe, "%s", subject);
    for (char *at = safe; *at; at++)
        if (*at == '"' || *at == '\\' || (unsigned char)*at < 0x20 || (unsigned char)*at > 0x7e) *at = '?';
    printf("{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":\"%s%s%s\"}\n", version, code, before, safe, after);
    return 1;
}

static int no_agent(void) {
    return fail(11, "tortie felix does not answer at ", path,
                ". See that the node agent (tortie felix) runs on this node; the runtime tries again by itself.");
}

/* Up to `limit` octets, and one more to tell too much; negative: errno says why. */
static long read_all(int fd, char *to, size_t limit) {
    size_t length = 0;
    while (length <= limit) {
        ssize_t got = read(fd, to + length, limit + 1 - length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        length += (size_t)got;
    }
    return (long)length;
}

static int send_all(int fd, const char *from, size_t length) {
    while (length > 0) {
        ssize_t sent = write(fd, from, length);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return -1;
        from += sent, length -= (size_t)sent;
    }
    return 0;
}

static void take_version(void) {
    const char *at = strstr(config, "\"cniVersion\"");
    if (!at) return;
    at += strlen("\"cniVersion\"");
    at += strspn(at, " \t\r\n:");
    size_t length = *at == '"' ? strspn(at + 1, "0123456789.") : 0;
    if (length > 0 && length < sizeof version && at[1 + length] == '"') snprintf(version, length + 1, "%s", at + 1);
}

int main(void) {
    const char *command = getenv("CNI_COMMAND"), *chosen = getenv("TORTIE_CNI_SOCKET");
    if (chosen && *chosen) path = chosen;
    signal(SIGPIPE, SIG_IGN);
    long length = read_all(0, config, CONFIG_LIMIT - 1);
    if (length < 0) return fail(5, "the network configuration could not be read from stdin: ", strerror(errno), ".");
    if (length >= CONFIG_LIMIT) return fail(7, "the network configuration on stdin is larger than ", "512 KiB", ".");
    config[length] = 0;
    take_version();
    if (command && strcmp(command, "VERSION") == 0) {
        puts("{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}");
        return 0;
    }
    int used = snprintf(head, sizeof head, "POST /cni HTTP/1.1\r\nHost: tortie\r\nConnection: close\r\nContent-Length: %ld\r\n", length);
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
        const char *value = getenv(passed[i][0]);
        if (!value) continue;
        if (strlen(value) > VALUE_LIMIT) return fail(4, passed[i][0], " is longer than 4096 octets", ".");
        for (const char *at = value; *at; at++) /* a line break would start a header of the caller's choosing */
            if ((unsigned char)*at < 0x20 || *at == 0x7f) return fail(4, passed[i][0], " holds a control character", ".");
        used += snprintf(head + used, sizeof head - (size_t)used, "%s: %s\r\n", passed[i][1], value);
    }
    used += snprintf(head + used, sizeof head - (size_t)used, "\r\n");

    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof to.sun_path) return fail(4, "TORTIE_CNI_SOCKET is too long for a socket path: ", path, ".");
    strcpy(to.sun_path, path);
    struct timeval patience = {.tv_sec = ANSWER_SECONDS};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) return no_agent();
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (send_all(fd, head, (size_t)used) < 0 || send_all(fd, config, (size_t)length) < 0) return no_agent();
    long got = read_all(fd, answer, ANSWER_LIMIT - 1);
    if (got < 0 || got >= ANSWER_LIMIT) return no_agent();
    answer[got] = 0;
    int status = 0;
    char *body = strstr(answer, "\r\n\r\n");
    if (!body || sscanf(answer, "HTTP/1.1 %d", &status) != 1) return no_agent();
    fputs(body + 4, stdout);
    return status == 200 || status == 204 ? 0 : 1;
}
