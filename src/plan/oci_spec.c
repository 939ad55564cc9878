/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration that `spec` writes to begin with. */
#include "plan/oci.h"

enum { BOTH, ROOT, ROOTLESS };

/* Lines in their order, and for whom each is. A line without a comma begins or ends something. */
static const struct {
        int who;
        const char *line;
} lines[] = {
        { BOTH, "{" },
        { BOTH, "    \"ociVersion\": \"1.3.0\"," },
        { BOTH, "    \"process\": {" },
        { BOTH, "        \"terminal\": true," },
        { BOTH, "        \"user\": { \"uid\": 0, \"gid\": 0 }," },
        { BOTH, "        \"args\": [\"sh\"]," },
        { BOTH, "        \"env\": [" },
        { BOTH, "            \"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"," },
        { BOTH, "            \"TERM=xterm\"" },
        { BOTH, "        ]," },
        { BOTH, "        \"cwd\": \"/\"," },
        { BOTH, "        \"capabilities\": {" },
        { BOTH, "            \"bounding\": [\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"]," },
        { BOTH, "            \"effective\": [\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"]," },
        { BOTH, "            \"permitted\": [\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"]" },
        { BOTH, "        }," },
        { BOTH, "        \"rlimits\": [" },
        { BOTH, "            { \"type\": \"RLIMIT_NOFILE\", \"hard\": 1024, \"soft\": 1024 }" },
        { BOTH, "        ]," },
        { BOTH, "        \"noNewPrivileges\": true" },
        { BOTH, "    }," },
        { BOTH, "    \"root\": { \"path\": \"rootfs\", \"readonly\": true }," },
        { BOTH, "    \"hostname\": \"bulkhead\"," },
        { BOTH, "    \"mounts\": [" },
        { BOTH, "        { \"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\" }," },
        { BOTH, "        { \"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\"," },
        { BOTH, "          \"options\": [\"nosuid\", \"strictatime\", \"mode=755\", \"size=65536k\"] }," },
        { BOTH, "        { \"destination\": \"/dev/pts\", \"type\": \"devpts\", \"source\": \"devpts\"," },
        { ROOT, "          \"options\": [\"nosuid\", \"noexec\", \"newinstance\", \"ptmxmode=0666\", \"mode=0620\", \"gid=5\"] }," },
        { ROOTLESS, "          \"options\": [\"nosuid\", \"noexec\", \"newinstance\", \"ptmxmode=0666\", \"mode=0620\"] }," },
        { BOTH, "        { \"destination\": \"/dev/shm\", \"type\": \"tmpfs\", \"source\": \"shm\"," },
        { BOTH, "          \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"mode=1777\", \"size=65536k\"] }," },
        { BOTH, "        { \"destination\": \"/dev/mqueue\", \"type\": \"mqueue\", \"source\": \"mqueue\"," },
        { BOTH, "          \"options\": [\"nosuid\", \"noexec\", \"nodev\"] }," },
        { ROOT, "        { \"destination\": \"/sys\", \"type\": \"sysfs\", \"source\": \"sysfs\"," },
        { ROOT, "          \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"ro\"] }," },
        { ROOT, "        { \"destination\": \"/sys/fs/cgroup\", \"type\": \"cgroup\", \"source\": \"cgroup\"," },
        { ROOT, "          \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"relatime\", \"ro\"] }" },
        /* A sysfs of its own takes a network namespace of its own. */
        { ROOTLESS, "        { \"destination\": \"/sys\", \"type\": \"none\", \"source\": \"/sys\"," },
        { ROOTLESS, "          \"options\": [\"rbind\", \"nosuid\", \"noexec\", \"nodev\", \"rro\"] }" },
        { BOTH, "    ]," },
        { BOTH, "    \"linux\": {" },
        { ROOT, "        \"resources\": {" },
        { ROOT, "            \"devices\": [" },
        { ROOT, "                { \"allow\": false, \"access\": \"rwm\" }" },
        { ROOT, "            ]" },
        { ROOT, "        }," },
        { ROOTLESS, NULL }, /* the maps */
        { BOTH, "        \"namespaces\": [" },
        { BOTH, "            { \"type\": \"pid\" }," },
        { ROOT, "            { \"type\": \"network\" }," },
        { BOTH, "            { \"type\": \"ipc\" }," },
        { BOTH, "            { \"type\": \"uts\" }," },
        { BOTH, "            { \"type\": \"mount\" }," },
        { ROOTLESS, "            { \"type\": \"user\" }," },
        { BOTH, "            { \"type\": \"cgroup\" }" },
        { BOTH, "        ]," },
        { BOTH, "        \"maskedPaths\": [" },
        { BOTH, "            \"/proc/acpi\"," },
        { BOTH, "            \"/proc/asound\"," },
        { BOTH, "            \"/proc/interrupts\"," },
        { BOTH, "            \"/proc/kcore\"," },
        { BOTH, "            \"/proc/keys\"," },
        { BOTH, "            \"/proc/latency_stats\"," },
        { BOTH, "            \"/proc/timer_list\"," },
        { BOTH, "            \"/proc/timer_stats\"," },
        { BOTH, "            \"/proc/sched_debug\"," },
        { BOTH, "            \"/proc/scsi\"," },
        { BOTH, "            \"/sys/devices/virtual/powercap\"," },
        { BOTH, "            \"/sys/firmware\"" },
        { BOTH, "        ]," },
        { BOTH, "        \"readonlyPaths\": [" },
        { BOTH, "            \"/proc/bus\"," },
        { BOTH, "            \"/proc/fs\"," },
        { BOTH, "            \"/proc/irq\"," },
        { BOTH, "            \"/proc/sys\"," },
        { BOTH, "            \"/proc/sysrq-trigger\"" },
        { BOTH, "        ]" },
        { BOTH, "    }" },
        { BOTH, "}" },
};

void oci_spec_text(bool rootless, uid_t uid, gid_t gid, struct text *t)
{
        for (size_t i = 0; i < ELEMENTS(lines); i++) {
                if (lines[i].who == (rootless ? ROOT : ROOTLESS))
                        continue;
                if (lines[i].line)
                        text_addf(t, "%s\n", lines[i].line);
                else
                        text_addf(t, "        \"uidMappings\": [{ \"containerID\": 0, \"hostID\": %u, \"size\": 1 }],\n"
                                     "        \"gidMappings\": [{ \"containerID\": 0, \"hostID\": %u, \"size\": 1 }],\n",
                                  (unsigned)uid, (unsigned)gid);
        }
}
