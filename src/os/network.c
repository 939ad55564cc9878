/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/network.h"

#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"

int network_loopback_up(void)
{
        CLEAN_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK };
        if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
                return -errno;
        return 0;
}

int network_find_device(const char *name, uint32_t *ret)
{
        CLEAN_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq request = { 0 };
        if (strlen(name) >= sizeof request.ifr_name)
                return -ENODEV;
        strcpy(request.ifr_name, name);
        if (fd < 0 || ioctl(fd, SIOCGIFINDEX, &request) < 0)
                return -errno;
        *ret = (uint32_t)request.ifr_ifindex;
        return 0;
}
