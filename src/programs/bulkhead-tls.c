/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection with TLS for a program that has none:
 *
 *      bulkhead-tls HOST PORT [--ca FILE] [--certificate FILE --key FILE]
 *
 * It connects, checks that the other side has a certificate for HOST from an authority in FILE (else: one that the system trusts), and
 * then passes on what comes on standard input, which is a socket, and gives back what is answered.  Linked dynamically, for OpenSSL and
 * for the names of hosts.  What fails is said on standard error.  It ends with either side.
 */
#include <argp.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

enum { CONNECT_TIMEOUT_MS = 5000, CHUNK_SIZE = 16 * 1024 };

struct options {
        const char *host, *port, *ca, *certificate, *key;
};

static error_t take_option(int key, char *value, struct argp_state *state)
{
        struct options *o = state->input;
        switch (key) {
        case 'a':
                o->ca = value;
                return 0;
        case 'c':
                o->certificate = value;
                return 0;
        case 'k':
                o->key = value;
                return 0;
        case ARGP_KEY_ARG:
                if (state->arg_num > 1)
                        argp_usage(state);
                *(state->arg_num ? &o->port : &o->host) = value;
                return 0;
        case ARGP_KEY_END:
                if (state->arg_num != 2)
                        argp_usage(state);
                return 0;
        default:
                return ARGP_ERR_UNKNOWN;
        }
}

enum { WORDS_MAX = 256 };

/* What OpenSSL says last is nearest to the cause. */
static const char *tls_words(char into[static WORDS_MAX])
{
        unsigned long code = ERR_peek_last_error();
        (void)snprintf(into, WORDS_MAX, "the connection was closed");
        if (code)
                ERR_error_string_n(code, into, WORDS_MAX);
        return into;
}

static int connecting_failed(struct error *e, const char *doing)
{
        char words[WORDS_MAX];
        return error_set(e, EPROTO, "tls.connect", "%s: %s", doing, tls_words(words));
}

static int file_failed(struct error *e, const char *path)
{
        char words[WORDS_MAX];
        return error_set(e, EPROTO, "tls.file", "%s: %s", path, tls_words(words));
}

/* ---- the connection ---- */

static int wait_connected(int fd)
{
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        int errnum = 0, n = poll(&p, 1, CONNECT_TIMEOUT_MS);
        socklen_t size = sizeof errnum;
        if (n <= 0)
                return n < 0 ? -errno : -ETIMEDOUT;
        return getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &size) < 0 ? -errno : -errnum;
}

/* A peer that has vanished is noticed in about ten seconds. */
static void set_options(int fd)
{
        static const struct {
                int level, name, value;
        } table[] = {
                { IPPROTO_TCP, TCP_NODELAY, 1 },   { SOL_SOCKET, SO_KEEPALIVE, 1 }, { IPPROTO_TCP, TCP_KEEPIDLE, 4 },
                { IPPROTO_TCP, TCP_KEEPINTVL, 2 }, { IPPROTO_TCP, TCP_KEEPCNT, 3 }, { IPPROTO_TCP, TCP_USER_TIMEOUT, 10000 },
        };
        for (size_t i = 0; i < ELEMENTS(table); i++)
                (void)setsockopt(fd, table[i].level, table[i].name, &table[i].value, sizeof table[i].value);
}

static int connect_one(const struct addrinfo *a)
{
        CLEAN_FD int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        int r = connect(fd, a->ai_addr, a->ai_addrlen) == 0 ? 0 : errno == EINPROGRESS ? wait_connected(fd) : -errno;
        if (r < 0)
                return r;
        set_options(fd);
        return TAKE_FD(fd);
}

static int connect_host(const struct options *o, struct error *e)
{
        struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *list = NULL;
        int code = getaddrinfo(o->host, o->port, &hints, &list);
        if (code)
                return error_set(e, EHOSTUNREACH, "tls.connect", "%s: %s", o->host, gai_strerror(code));
        int fd = -EHOSTUNREACH;
        for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
                fd = connect_one(a);
        freeaddrinfo(list);
        return fd < 0 ? error_errno(e, fd, "tls.connect", "%s port %s", o->host, o->port) : fd;
}

/* ---- who is there, and who we are ---- */

static int load_files(SSL_CTX *c, const struct options *o, struct error *e)
{
        if (!(o->ca ? SSL_CTX_load_verify_locations(c, o->ca, NULL) : SSL_CTX_set_default_verify_paths(c)))
                return file_failed(e, o->ca ? o->ca : "the system's authorities");
        if (!o->certificate != !o->key)
                return error_set(e, EINVAL, "tls.file", "a certificate and its key come together");
        if (o->certificate && SSL_CTX_use_certificate_chain_file(c, o->certificate) != 1)
                return file_failed(e, o->certificate);
        if (o->key && (SSL_CTX_use_PrivateKey_file(c, o->key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(c) != 1))
                return file_failed(e, o->key);
        return 0;
}

/* The certificate must be for this name, or for this address. */
static int expect_host(SSL *ssl, const char *host, struct error *e)
{
        unsigned char address[sizeof(struct in6_addr)];
        bool is_address = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
        X509_VERIFY_PARAM *p = SSL_get0_param(ssl);
        X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        if (is_address ? X509_VERIFY_PARAM_set1_ip_asc(p, host) == 1 : SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1)
                return 0;
        return connecting_failed(e, host);
}

static SSL *prepare(SSL_CTX *c, const struct options *o, int fd, struct error *e)
{
        static const unsigned char protocols[] = "\x08http/1.1";
        SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
        (void)SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) != 1 || load_files(c, o, e) < 0) {
                if (!e->code)
                        (void)file_failed(e, "TLS 1.2");
                return NULL;
        }
        SSL *ssl = SSL_new(c);
        if (!ssl || SSL_set_fd(ssl, fd) != 1 || SSL_set_alpn_protos(ssl, protocols, sizeof protocols - 1) != 0) {
                (void)connecting_failed(e, "preparing");
                SSL_free(ssl);
                return NULL;
        }
        if (expect_host(ssl, o->host, e) < 0) {
                SSL_free(ssl);
                return NULL;
        }
        return ssl;
}

/* What OpenSSL waits for. 0: for nothing that could come. */
static short wants(const SSL *ssl, int result)
{
        int code = SSL_get_error(ssl, result);
        return code == SSL_ERROR_WANT_READ ? POLLIN : code == SSL_ERROR_WANT_WRITE ? POLLOUT : 0;
}

static int shake_hands(SSL *ssl, const struct options *o, struct error *e)
{
        int result;
        while ((result = SSL_connect(ssl)) != 1) {
                struct pollfd p = { .fd = SSL_get_fd(ssl), .events = wants(ssl, result) };
                if (p.events && poll(&p, 1, CONNECT_TIMEOUT_MS) > 0)
                        continue;
                if (p.events)
                        return error_set(e, ETIMEDOUT, "tls.connect", "%s port %s: no answer", o->host, o->port);
                long verdict = SSL_get_verify_result(ssl);
                if (verdict == X509_V_OK)
                        return connecting_failed(e, o->host);
                int r = error_set(e, EPROTO, "tls.certificate", "%s: %s", o->host, X509_verify_cert_error_string(verdict));
                error_hint(e, "its certificate must name %s, and be signed by an authority of %s", o->host, o->ca ? o->ca : "the system");
                return r;
        }
        return 0;
}

/* ---- passing on ---- */

/* What was taken from one side and not given to the other yet. */
struct flow {
        char data[CHUNK_SIZE];
        size_t from, to;
};

static bool is_empty(const struct flow *f)
{
        return f->from == f->to;
}

/* Each does as much as it can at once. The result: what it waits for at TLS's descriptor (0: nothing), or -1 at the end. */
static int fill_from_tls(SSL *ssl, struct flow *down)
{
        if (!is_empty(down))
                return 0;
        int n = SSL_read(ssl, down->data, sizeof down->data);
        if (n <= 0)
                return wants(ssl, n) ? wants(ssl, n) : -1;
        down->from = 0;
        down->to = (size_t)n;
        return 0;
}

static int empty_to_tls(SSL *ssl, struct flow *up)
{
        while (!is_empty(up)) {
                int n = SSL_write(ssl, up->data + up->from, (int)(up->to - up->from));
                if (n <= 0)
                        return wants(ssl, n) ? wants(ssl, n) : -1;
                up->from += (size_t)n;
        }
        return 0;
}

/* At the plain side: false at the end. */
static bool fill_from_plain(struct flow *up)
{
        ssize_t n = is_empty(up) ? recv(STDIN_FILENO, up->data, sizeof up->data, MSG_DONTWAIT) : -2;
        if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
                return false;
        if (n > 0) {
                up->from = 0;
                up->to = (size_t)n;
        }
        return true;
}

static bool empty_to_plain(struct flow *down)
{
        while (!is_empty(down)) {
                ssize_t n = send(STDIN_FILENO, down->data + down->from, down->to - down->from, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n < 0)
                        return errno == EAGAIN || errno == EINTR;
                down->from += (size_t)n;
        }
        return true;
}

static void pass_on(SSL *ssl)
{
        static struct flow up, down;
        for (;;) {
                int reading = fill_from_tls(ssl, &down), writing = empty_to_tls(ssl, &up);
                if (!empty_to_plain(&down) || (reading < 0 && is_empty(&down)) || writing < 0)
                        return;
                if (is_empty(&down) && !reading)
                        continue; /* there may be more that OpenSSL has already */
                struct pollfd p[] = { { .fd = STDIN_FILENO, .events = (short)((is_empty(&up) ? POLLIN : 0) | (is_empty(&down) ? 0 : POLLOUT)) },
                                      { .fd = SSL_get_fd(ssl), .events = (short)((reading > 0 ? reading : 0) | writing) } };
                if (poll(p, 2, -1) < 0 && errno != EINTR)
                        return;
                if ((p[0].revents & (POLLHUP | POLLERR)) && !(p[0].revents & POLLIN)) /* nobody is there to be answered */
                        return;
                if ((p[0].revents & POLLIN) && !fill_from_plain(&up))
                        return;
        }
}

static int run(const struct options *o, struct error *e)
{
        int fd = connect_host(o, e);
        if (fd < 0)
                return fd;
        SSL_CTX *c = SSL_CTX_new(TLS_client_method());
        SSL *ssl = c ? prepare(c, o, fd, e) : NULL;
        int r = ssl ? shake_hands(ssl, o, e) : e->code ? e->code : connecting_failed(e, "preparing");
        if (r >= 0) {
                pass_on(ssl);
                (void)SSL_shutdown(ssl);
        }
        SSL_free(ssl);
        SSL_CTX_free(c);
        (void)close(fd);
        return r;
}

int main(int argc, char **argv)
{
        static const struct argp_option table[] = { { "ca", 'a', "FILE", 0, "Authorities that are believed", 0 },
                                                    { "certificate", 'c', "FILE", 0, "Who we are", 0 },
                                                    { "key", 'k', "FILE", 0, "Its key", 0 },
                                                    { 0 } };
        static const struct argp argp = { table, take_option, "HOST PORT", "Passes standard input, a socket, on to a server with TLS.", NULL, NULL, NULL };
        struct options o = { 0 };
        struct error e = { 0 };
        /* It holds a key, and reads what strangers send: no dump of it, and no more rights than now. */
        (void)prctl(PR_SET_DUMPABLE, 0);
        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
        (void)signal(SIGPIPE, SIG_IGN);
        (void)argp_parse(&argp, argc, argv, 0, NULL, &o);
        if (run(&o, &e) >= 0)
                return EXIT_SUCCESS;
        CLEAN_FREE char *subject = xprintf("cannot speak TLS with %s port %s", o.host, o.port);
        error_print(stderr, "bulkhead-tls", subject, &e);
        return EXIT_FAILURE;
}
