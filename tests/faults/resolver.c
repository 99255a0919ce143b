/* A name server that falls silent, for one process: LD_PRELOAD it. HANGING_NAME is a name that has the address
   127.0.0.1; while the first byte of the file that NAME_SERVER names is not 0, whoever looks it up waits. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile char *silent;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("NAME_SERVER");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *place = mmap(0, 1, PROT_READ, MAP_SHARED, file, 0);
    if (place != MAP_FAILED) silent = place;
    close(file);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    const char *name = getenv("HANGING_NAME");
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (silent && name && node && strcmp(node, name) == 0) {
        while (*silent) usleep(10000);
        node = "127.0.0.1";
    }
    return real(node, service, hints, found);
}
