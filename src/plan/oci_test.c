/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "plan/explain.h"
#include "plan/oci.h"

static const struct oci_facts facts = { .id = "c1", .bundle = "/b", .capabilities_all = (UINT64_C(1) << 41) - 1 };
static const struct oci_facts rootless = { .id = "c1", .bundle = "/b", .capabilities_all = (UINT64_C(1) << 41) - 1, .rootless = true };

static int compile(const char *text, const struct oci_facts *f, struct plan *p, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        int r = json_parse("config.json", text, strlen(text), &d, e);
        return r < 0 ? r : oci_compile(&d, f, p, e);
}

/* ---- the text form of a plan: what is there, a line each ---- */

struct bit {
        uint64_t value;
        const char *name;
};

static void add_bits(struct text *t, const char *label, uint64_t mask, const struct bit *bits)
{
        if (!mask)
                return;
        text_addf(t, " %s=", label);
        for (const char *comma = ""; bits->name; bits++)
                if (bits->value && (mask & bits->value) == bits->value) {
                        text_addf(t, "%s%s", comma, bits->name);
                        mask &= ~bits->value;
                        comma = ",";
                }
        if (mask)
                text_addf(t, "+%#llx", (unsigned long long)mask);
}

static const struct bit attributes[] = {
        { 0x01, "ro" }, { 0x02, "nosuid" }, { 0x04, "nodev" }, { 0x08, "noexec" }, { 0x70, "ATIME" }, { 0x10, "noatime" },
        { 0x20, "strictatime" }, { 0x80, "nodiratime" }, { 0x200000, "nosymfollow" }, { 0 },
};

static const struct bit supers[] = {
        { MS_RDONLY, "ro" }, { MS_SYNCHRONOUS, "sync" }, { MS_DIRSYNC, "dirsync" }, { MS_MANDLOCK, "mand" }, { MS_I_VERSION, "iversion" },
        { 1 << 25, "lazytime" }, { MS_REMOUNT, "remount" }, { 1 << 15, "silent" }, { 0 },
};

static const struct bit propagations[] = {
        { MS_SHARED, "shared" }, { MS_SLAVE, "slave" }, { MS_PRIVATE, "private" }, { MS_UNBINDABLE, "unbindable" }, { MS_REC, "rec" }, { 0 },
};

static const struct bit spaces[] = {
        { CLONE_NEWNS, "mount" }, { CLONE_NEWPID, "pid" }, { CLONE_NEWNET, "network" }, { CLONE_NEWIPC, "ipc" }, { CLONE_NEWUTS, "uts" },
        { CLONE_NEWCGROUP, "cgroup" }, { CLONE_NEWUSER, "user" }, { 0x80, "time" }, { 0 },
};

static void add_maps(struct text *t, const char *label, const struct plan_id_map *maps, size_t count)
{
        for (size_t i = 0; i < count; i++)
                text_addf(t, "%s%u-%u-%u", i ? "#" : label, maps[i].inside, maps[i].outside, maps[i].count);
}

static void dump_attach(struct text *t, const struct plan_attach *a)
{
        const struct {
                bool on;
                const char *word;
        } words[] = { { a->bind, "bind" },         { a->recursive, "recursive" },          { a->copy_up, "copy-up" },
                      { a->copy_symlink, "link" }, { a->source_no_follow, "src-nofollow" }, { a->target_no_follow, "dest-nofollow" },
                      { a->id_mapped, "idmap" },   { a->id_mapped_below, "idmap-below" },  { a->is_cgroup, "cgroup" } };
        text_addf(t, "mount %s", a->target);
        text_addf(t, a->type ? " type=%s" : "%s", a->type ? a->type : "");
        text_addf(t, a->source ? " source=%s" : "%s", a->source ? a->source : "");
        text_addf(t, a->data ? " data=%s" : "%s", a->data ? a->data : "");
        for (size_t i = 0; i < ELEMENTS(words); i++)
                if (words[i].on)
                        text_addf(t, " %s", words[i].word);
        add_bits(t, "set", a->set, attributes);
        add_bits(t, "clear", a->clear, attributes);
        add_bits(t, "set-below", a->set_below, attributes);
        add_bits(t, "clear-below", a->clear_below, attributes);
        add_bits(t, "super", a->super, supers);
        add_bits(t, "propagation", a->propagation, propagations);
        add_maps(t, " uids=", a->maps.uids, a->maps.uid_count);
        add_maps(t, " gids=", a->maps.gids, a->maps.gid_count);
        text_addf(t, " from %s\n", a->origin);
}

static void dump_strings(struct text *t, const char *label, const struct strings *l)
{
        for (size_t i = 0; i < l->count; i++)
                text_addf(t, "%s %s\n", label, l->items[i]);
}

static void dump_word(struct text *t, const char *label, const char *s)
{
        if (s)
                text_addf(t, "%s %s\n", label, s);
}

static void dump_namespaces(struct text *t, const struct plan *p)
{
        const struct plan_container *c = p->container;
        if (p->namespaces) {
                add_bits(t, "namespaces", p->namespaces, spaces);
                text_add(t, "\n");
        }
        for (size_t i = 0; i < c->join_count; i++) {
                add_bits(t, "join", c->joins[i].flag, spaces);
                text_addf(t, " %s\n", c->joins[i].path);
        }
        if (c->new_users)
                text_add(t, "users\n");
        add_maps(t, "uids ", c->maps.uids, c->maps.uid_count);
        text_add(t, c->maps.uid_count ? "\n" : "");
        add_maps(t, "gids ", c->maps.gids, c->maps.gid_count);
        text_add(t, c->maps.gid_count ? "\n" : "");
        if (c->monotonic.set)
                text_addf(t, "monotonic %lld %u\n", (long long)c->monotonic.seconds, c->monotonic.nanoseconds);
        if (c->boottime.set)
                text_addf(t, "boottime %lld %u\n", (long long)c->boottime.seconds, c->boottime.nanoseconds);
}

static void dump_lists(struct text *t, const struct plan_container *c)
{
        static const char *const kinds[] = { "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop" };
        for (size_t i = 0; i < c->attach_count; i++)
                dump_attach(t, &c->attaches[i]);
        dump_strings(t, "masked", &c->masked);
        dump_strings(t, "read-only", &c->read_only_paths);
        for (size_t i = 0; i < c->device_count; i++) {
                const struct plan_device *d = &c->devices[i];
                text_addf(t, "device %s %s %u:%u %04o %u:%u\n", d->path, d->type == S_IFCHR ? "c" : d->type == S_IFBLK ? "b" : "p", d->major,
                          d->minor, (unsigned)d->mode, d->uid, d->gid);
        }
        for (size_t i = 0; i < c->sysctl_count; i++)
                text_addf(t, "sysctl %s=%s\n", c->sysctls[i].key, c->sysctls[i].value);
        for (size_t i = 0; i < c->net_device_count; i++)
                text_addf(t, "net %s as %s\n", c->net_devices[i].name, c->net_devices[i].inside ? c->net_devices[i].inside : "itself");
        for (size_t k = 0; k < PLAN_HOOK_KINDS; k++)
                for (size_t i = 0; i < c->hook_count[k]; i++) {
                        const struct plan_hook *h = &c->hooks[k][i];
                        text_addf(t, "hook %s %s", kinds[k], h->path);
                        for (size_t n = 0; n < h->argv.count; n++)
                                text_addf(t, " %s", h->argv.items[n]);
                        for (size_t n = 0; n < h->environment.count; n++)
                                text_addf(t, " (%s)", h->environment.items[n]);
                        text_addf(t, " %us\n", h->timeout_s);
                }
        for (size_t i = 0; i + 1 < c->annotations.count; i += 2)
                text_addf(t, "annotation %s=%s\n", c->annotations.items[i], c->annotations.items[i + 1]);
}

static void dump_process(struct text *t, const struct plan *p)
{
        const struct plan_container *c = p->container;
        if (!c->identity.set)
                return;
        text_addf(t, "user %u:%u umask %04o", c->identity.uid, c->identity.gid, (unsigned)p->umask);
        for (size_t i = 0; i < c->identity.group_count; i++)
                text_addf(t, " +%u", c->identity.groups[i]);
        text_add(t, "\n");
        dump_strings(t, "arg", &p->argv);
        dump_strings(t, "env", &p->environment);
        dump_word(t, "cwd", p->working_directory);
        if (c->terminal)
                text_addf(t, "terminal %ux%u\n", c->columns, c->rows);
        if (p->no_new_privileges)
                text_addf(t, "no-new-privileges from %s\n", p->no_new_privileges_origin);
        const struct plan_capabilities *k = &c->capabilities;
        if (k->bounding | k->effective | k->permitted | k->inheritable | k->ambient)
                text_addf(t, "caps b=%llx e=%llx p=%llx i=%llx a=%llx\n", (unsigned long long)k->bounding, (unsigned long long)k->effective,
                          (unsigned long long)k->permitted, (unsigned long long)k->inheritable, (unsigned long long)k->ambient);
        assert_true(k->set && p->bounding == k->bounding);
        for (size_t i = 0; i < c->rlimit_count; i++)
                text_addf(t, "rlimit %d %llu/%llu\n", c->rlimits[i].resource, (unsigned long long)c->rlimits[i].soft,
                          (unsigned long long)c->rlimits[i].hard);
        if (c->oom_score_set)
                text_addf(t, "oom %d\n", c->oom_score);
        const struct plan_scheduler *s = &c->scheduler;
        if (s->set)
                text_addf(t, "scheduler %u nice %d priority %u flags %llx %llu/%llu/%llu\n", s->policy, s->nice, s->priority,
                          (unsigned long long)s->flags, (unsigned long long)s->runtime_ns, (unsigned long long)s->deadline_ns,
                          (unsigned long long)s->period_ns);
        if (c->io_priority.set)
                text_addf(t, "io %#x\n", c->io_priority.value);
        dump_word(t, "cpus-initial", c->cpus_initial);
        dump_word(t, "cpus-final", c->cpus_final);
        dump_word(t, "selinux", c->process_label);
        dump_word(t, "apparmor", c->apparmor);
}

static void dump_rest(struct text *t, const struct plan_container *c)
{
        dump_word(t, "hostname", c->hostname);
        dump_word(t, "domainname", c->domainname);
        dump_word(t, "cgroup", c->cgroups_path);
        dump_word(t, "mount-label", c->mount_label);
        if (c->root.propagation) {
                add_bits(t, "propagation", c->root.propagation, propagations);
                text_add(t, "\n");
        }
        if (c->memory_policy.set)
                text_addf(t, "memory-policy %#x \"%s\"\n", c->memory_policy.mode, c->memory_policy.nodes);
        if (c->personality_set)
                text_addf(t, "personality %#lx\n", c->personality);
        if (c->intel_rdt.set) {
                text_addf(t, "rdt %s\n", c->intel_rdt.enable_monitoring ? "monitored" : "");
                dump_word(t, "rdt-clos", c->intel_rdt.clos_id);
                dump_word(t, "rdt-l3", c->intel_rdt.l3_cache_schema);
                dump_word(t, "rdt-mb", c->intel_rdt.memory_bandwidth_schema);
                dump_strings(t, "rdt-schema", &c->intel_rdt.schemata);
        }
}

static char *dump(const struct plan *p)
{
        CLEAN_TEXT struct text t = { 0 };
        text_addf(&t, "root %s%s\n", p->container->root.path, p->container->root.read_only ? " ro" : "");
        dump_namespaces(&t, p);
        dump_process(&t, p);
        dump_lists(&t, p->container);
        dump_rest(&t, p->container);
        dump_strings(&t, "note", &p->notes);
        return TAKE_PTR(t.data);
}

/* ---- good ones ---- */

#define HEAD "{'ociVersion':'1.3.0','root':{'path':'rootfs'},"
#define LINUX(...) HEAD "'linux':{" __VA_ARGS__ "}}"
#define SPACES "'namespaces':[{'type':'mount'},{'type':'uts'},{'type':'ipc'},{'type':'network'},{'type':'user'},{'type':'time'}]," \
               "'uidMappings':[{'containerID':0,'hostID':1000,'size':10}],'gidMappings':[{'containerID':0,'hostID':2000,'size':10}]"
#define HELD "root /b/rootfs\n namespaces=mount,network,ipc,uts,time\nusers\nuids 0-1000-10\ngids 0-2000-10\n"
#define OWNING(...) LINUX(SPACES "," __VA_ARGS__)
#define MOUNTS(...) HEAD "'linux':{'namespaces':[{'type':'mount'}]},'mounts':[" __VA_ARGS__ "]}"
#define BIND(options) MOUNTS("{'destination':'/d','source':'/s','options':['bind'," options "]}")
#define FS(options) MOUNTS("{'destination':'/d','type':'tmpfs','options':[" options "]}")
#define MOUNTED "root /b/rootfs\n namespaces=mount\n"
#define PROCESS(...) HEAD "'process':{'args':['sh'],'cwd':'/'," __VA_ARGS__ "}}"
#define RUN "root /b/rootfs\nuser 0:0 umask 0022\narg sh\ncwd /\n"

static const struct {
        const char *config, *plan;
} good[] = {
        { HEAD "'x':1}", "root /b/rootfs\n" },
        { "{'ociVersion':'1.0.2-dev+x','root':{'path':'/r','readonly':false},'windows':{'a':[]},'vm':0,'solaris':'','zos':null}", "root /r\n" },
        { "{'ociVersion':'1.99.0','root':{'path':'../r'}}", "root /b/../r\n" },
        { "{'ociVersion':'1.0.0','linux':{'namespaces':[{'type':'mount'}]},'root':{'path':'r','readonly':true}}", "root /b/r ro\n namespaces=mount\n" },

        { HEAD "'process':{'terminal':true,'consoleSize':{'height':25,'width':80},'user':{'uid':1,'gid':2,'umask':63,'additionalGids':[5,6]},"
               "'args':['sh','-c','a b'],'env':['A=b','C='],'cwd':'/root','noNewPrivileges':true,'oomScoreAdj':-5,'selinuxLabel':'s','apparmorProfile':'a'}}",
          "root /b/rootfs\nuser 1:2 umask 0077 +5 +6\narg sh\narg -c\narg a b\nenv A=b\nenv C=\ncwd /root\nterminal 80x25\n"
          "no-new-privileges from /process/noNewPrivileges\noom -5\nselinux s\napparmor a\n" },
        { PROCESS("'terminal':false,'consoleSize':'big'"), RUN },
        { PROCESS("'capabilities':{'bounding':['CAP_CHOWN','CAP_CHECKPOINT_RESTORE'],'effective':['CAP_KILL'],'permitted':['CAP_KILL'],"
                  "'inheritable':['CAP_KILL'],'ambient':['CAP_KILL']}"), RUN "caps b=10000000001 e=20 p=20 i=20 a=20\n" },
        { PROCESS("'rlimits':[{'type':'RLIMIT_NOFILE','soft':10,'hard':20},{'type':'RLIMIT_CORE','soft':0,'hard':18446744073709551615}]"),
          RUN "rlimit 7 10/20\nrlimit 4 0/18446744073709551615\n" },
        { PROCESS("'scheduler':{'policy':'SCHED_FIFO','priority':10,'flags':['SCHED_FLAG_RESET_ON_FORK','SCHED_FLAG_UTIL_CLAMP_MAX']}"),
          RUN "scheduler 1 nice 0 priority 10 flags 41 0/0/0\n" },
        { PROCESS("'scheduler':{'policy':'SCHED_BATCH','nice':-20}"), RUN "scheduler 3 nice -20 priority 0 flags 0 0/0/0\n" },
        { PROCESS("'scheduler':{'policy':'SCHED_DEADLINE','runtime':1024,'deadline':2048}"), RUN "scheduler 6 nice 0 priority 0 flags 0 1024/2048/0\n" },
        { PROCESS("'ioPriority':{'class':'IOPRIO_CLASS_BE','priority':7}"), RUN "io 0x4007\n" },
        { PROCESS("'execCPUAffinity':{'initial':'7','final':'0-3,7'}"), RUN "cpus-initial 7\ncpus-final 0-3,7\n" },
        { PROCESS("'execCPUAffinity':{'initial':'','final':'0'}"), RUN "cpus-final 0\n" },

        { LINUX("'namespaces':[{'type':'pid','path':''},{'type':'network','path':'/run/n'},{'type':'user','path':'/run/u'}],"
                "'uidMappings':[{'containerID':0,'hostID':5,'size':1}]"),
          "root /b/rootfs\n namespaces=pid\n join=network /run/n\n join=user /run/u\nuids 0-5-1\n" },
        { LINUX("'namespaces':[{'type':'user'}]"), "root /b/rootfs\nusers\nuids 0-0-4294967295\ngids 0-0-4294967295\n"
          "note the user namespace has no maps in the configuration: all ids stand for themselves\n" },
        { OWNING("'timeOffsets':{'monotonic':{'secs':-5},'boottime':{'secs':9223372036854775807,'nanosecs':999999999}}"),
          HELD "monotonic -5 0\nboottime 9223372036854775807 999999999\n" },
        { HEAD "'hostname':'h.example','domainname':'d','linux':{'namespaces':[{'type':'uts','path':'/p'}]}}",
          "root /b/rootfs\n join=uts /p\nhostname h.example\ndomainname d\n" },
        { HEAD "'hostname':'','domainname':''}", "root /b/rootfs\n" },
        { PROCESS("'capabilities':{'bounding':['CAP_FLY','KILL','5','CAP_KILL']}"), RUN "caps b=20 e=0 p=0 i=0 a=0\n"
          "note unknown capability \"CAP_FLY\": left out\nnote unknown capability \"KILL\": left out\nnote unknown capability \"5\": left out\n" },

        { FS(""), MOUNTED "mount /d type=tmpfs from /mounts/0\n" },
        { FS("'nosuid','strictatime','mode=755','size=65536k'"),
          MOUNTED "mount /d type=tmpfs data=mode=755,size=65536k set=nosuid,strictatime clear=ATIME from /mounts/0\n" },
        { FS("'ro','sync','dirsync','mand','iversion','lazytime','silent','defaults','loud'"),
          MOUNTED "mount /d type=tmpfs set=ro super=ro,sync,dirsync,mand,iversion,lazytime from /mounts/0\n" },
        { FS("'ro','rw','sync','async','nosuid','suid','mand','nomand','iversion','noiversion','lazytime','nolazytime','tmpcopyup',''"),
          MOUNTED "mount /d type=tmpfs copy-up clear=ro,nosuid from /mounts/0\n" },
        { BIND("'ro','mode=755,size=1k'"), MOUNTED "mount /d source=/s bind set=ro from /mounts/0\n"
          "note /d is a bind, which has no mode=755,size=1k: left out\n" },
        { BIND("'ro','nodev','noexec','nosymfollow','nodiratime','noatime'"),
          MOUNTED "mount /d source=/s bind set=ro,nodev,noexec,noatime,nodiratime,nosymfollow clear=ATIME from /mounts/0\n" },
        { BIND("'dev','exec','symfollow','diratime','atime','relatime'"),
          MOUNTED "mount /d source=/s bind clear=nodev,noexec,ATIME,nodiratime,nosymfollow from /mounts/0\n" },
        { BIND("'noatime','atime'"), MOUNTED "mount /d source=/s bind clear=ATIME from /mounts/0\n" },
        { BIND("'noatime','nostrictatime'"), MOUNTED "mount /d source=/s bind set=noatime clear=ATIME from /mounts/0\n" },
        { BIND("'strictatime','noatime'"), MOUNTED "mount /d source=/s bind set=noatime clear=ATIME from /mounts/0\n" },
        { BIND("'norelatime','rnorelatime'"), MOUNTED "mount /d source=/s bind from /mounts/0\n" },
        { BIND("'rbind','rro','rnosuid','rnodev','rnoexec','rnosymfollow','rnodiratime','rstrictatime'"),
          MOUNTED "mount /d source=/s bind recursive set-below=ro,nosuid,nodev,noexec,strictatime,nodiratime,nosymfollow clear-below=ATIME from /mounts/0\n" },
        { BIND("'rrw','rsuid','rdev','rexec','rsymfollow','rdiratime','ratime'"),
          MOUNTED "mount /d source=/s bind clear-below=ro,nosuid,nodev,noexec,ATIME,nodiratime,nosymfollow from /mounts/0\n" },
        { BIND("'rnoatime','rrelatime','rnostrictatime'"), MOUNTED "mount /d source=/s bind clear-below=ATIME from /mounts/0\n" },
        { BIND("'rslave','copy-symlink','src-nofollow','dest-nofollow','sync'"),
          MOUNTED "mount /d source=/s bind link src-nofollow dest-nofollow propagation=slave,rec from /mounts/0\n" },
        { BIND("'remount','ro','shared','unbindable'"), MOUNTED "mount /d source=/s bind set=ro super=remount propagation=unbindable from /mounts/0\n" },
        { MOUNTS("{'destination':'d/../e','type':'bind','source':'s','options':['ro']},{'destination':'/cg','type':'cgroup','source':'cgroup'}"),
          MOUNTED "mount /d/../e source=/b/s bind set=ro from /mounts/0\nmount /cg type=cgroup source=cgroup cgroup from /mounts/1\n" },
        { BIND("'idmap=uids=0-1-10#10-11-10;gids=0-100-10'"),
          MOUNTED "mount /d source=/s bind idmap uids=0-1-10#10-11-10 gids=0-100-10 from /mounts/0\n" },
        { BIND("'ridmap=gids=0-0-1;uids=7-8-9'"), MOUNTED "mount /d source=/s bind idmap idmap-below uids=7-8-9 gids=0-0-1 from /mounts/0\n" },
        { MOUNTS("{'destination':'/d','source':'/s','options':['bind','ridmap'],'uidMappings':[{'containerID':0,'hostID':1,'size':2}],"
                 "'gidMappings':[{'containerID':3,'hostID':4,'size':5}]}"),
          MOUNTED "mount /d source=/s bind idmap idmap-below uids=0-1-2 gids=3-4-5 from /mounts/0\n" },
        { HEAD "'mounts':[{'destination':'/d','source':'/s','options':['bind','idmap=uids=@0-5-5;gids=@1-0-10']}],'linux':{" SPACES "}}",
          HELD "mount /d source=/s bind idmap uids=0-1005-5 gids=1-2000-10 from /mounts/0\n" },
        { HEAD "'mounts':[{'destination':'/d','source':'/s','options':['bind','idmap']}],'linux':{" SPACES "}}",
          HELD "mount /d source=/s bind idmap from /mounts/0\n" },

        { LINUX("'devices':[{'type':'c','path':'/dev//fuse','major':10,'minor':229,'fileMode':438,'uid':1,'gid':2},{'type':'u','path':'/a','major':4095,'minor':1048575},"
                "{'type':'b','path':'/dev/sda','major':8,'minor':0,'fileMode':25008},{'type':'p','path':'/p','fileMode':0,'major':7,'minor':7}]"),
          "root /b/rootfs\ndevice /dev/fuse c 10:229 0666 1:2\ndevice /a c 4095:1048575 0666 0:0\ndevice /dev/sda b 8:0 0660 0:0\ndevice /p p 0:0 0000 0:0\n" },
        { LINUX("'namespaces':[{'type':'mount'}],'maskedPaths':['/proc/kcore','//a/./b/'],'readonlyPaths':['/proc/sys']"),
          MOUNTED "masked /proc/kcore\nmasked /a/b\nread-only /proc/sys\n" },
        { OWNING("'sysctl':{'net.ipv4.ip_forward':'1','net/ipv4/conf/eth0.1/forwarding':'0','kernel.shmmax':'5','fs.mqueue.msg_max':'7','kernel/sem':'1 2\\t3'}"),
          HELD "sysctl net.ipv4.ip_forward=1\nsysctl net.ipv4.conf.eth0/1.forwarding=0\nsysctl kernel.shmmax=5\nsysctl fs.mqueue.msg_max=7\nsysctl kernel.sem=1 2\t3\n" },
        { OWNING("'netDevices':{'eth0':{'name':'inner'},'eth1':{},'eth2':{'name':'v%d'},'eth3':{'name':'v%d'}}"),
          HELD "net eth0 as inner\nnet eth1 as itself\nnet eth2 as v%d\nnet eth3 as v%d\n" },
        { LINUX("'memoryPolicy':{'mode':'MPOL_BIND','nodes':'0-1,3','flags':['MPOL_F_NUMA_BALANCING','MPOL_F_STATIC_NODES']}"),
          "root /b/rootfs\nmemory-policy 0xa002 \"0-1,3\"\n" },
        { LINUX("'memoryPolicy':{'mode':'MPOL_DEFAULT','nodes':''}"), "root /b/rootfs\nmemory-policy 0 \"\"\n" },
        { LINUX("'memoryPolicy':{'mode':'MPOL_WEIGHTED_INTERLEAVE','nodes':'0'}"), "root /b/rootfs\nmemory-policy 0x6 \"0\"\n" },
        { LINUX("'personality':{'domain':'LINUX32','flags':['ADDR_NO_RANDOMIZE']}"), "root /b/rootfs\npersonality 0x40008\n" },
        { LINUX("'personality':{'domain':'LINUX'}"), "root /b/rootfs\npersonality 0\n" },
        { LINUX("'intelRdt':{'closID':'guest','l3CacheSchema':'L3:0=f','memBwSchema':'MB:0=20','schemata':['L2:0=1','MB:1=5'],'enableMonitoring':true}"),
          "root /b/rootfs\nrdt monitored\nrdt-clos guest\nrdt-l3 L3:0=f\nrdt-mb MB:0=20\nrdt-schema L2:0=1\nrdt-schema MB:1=5\n" },
        { LINUX("'intelRdt':{'closID':'/'}"), "root /b/rootfs\nrdt \nrdt-clos /\n" },
        { LINUX("'rootfsPropagation':'rslave','mountLabel':'m','cgroupsPath':'system.slice:runc:c1','resources':{},'seccomp':{'defaultAction':'SCMP_ACT_ALLOW'}"),
          "root /b/rootfs\ncgroup system.slice:runc:c1\nmount-label m\n propagation=slave,rec\n" },
        { LINUX("'cgroupsPath':'/a/b..c'"), "root /b/rootfs\ncgroup /a/b..c\n" },
        { HEAD "'hooks':{'prestart':[{'path':'/h'}],'createRuntime':[{'path':'/r','args':['r','x'],'env':['A=1'],'timeout':5}],'createContainer':[],"
               "'startContainer':[{'path':'/s'}],'poststart':[{'path':'/t'}],'poststop':[{'path':'/1'},{'path':'/2'}]}}",
          "root /b/rootfs\nhook prestart /h /h 0s\nhook createRuntime /r r x (A=1) 5s\nhook startContainer /s /s 0s\nhook poststart /t /t 0s\n"
          "hook poststop /1 /1 0s\nhook poststop /2 /2 0s\n" },
        { HEAD "'annotations':{'a.b/c':'','k':'v'}}", "root /b/rootfs\nannotation a.b/c=\nannotation k=v\n" },
};

static char *quoted(const char *s)
{
        char *copy = xstrdup(s);
        for (char *c = copy; *c; c++)
                *c = *c == '\'' ? '"' : *c;
        return copy;
}

static void a_configuration_becomes_a_plan(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(good); i++) {
                CLEAN_FREE char *config = quoted(good[i].config);
                CLEAN_PLAN struct plan p = { 0 };
                struct error e = { 0 };
                if (compile(config, &facts, &p, &e) < 0)
                        fail_msg("%s\n%s", config, e.cause);
                CLEAN_FREE char *text = dump(&p);
                if (strcmp(text, good[i].plan))
                        print_error("%s\n", config);
                assert_string_equal(text, good[i].plan);
                assert_string_equal(p.unit, "c1");
                assert_int_equal(p.seal, PLAN_SEAL_OFF);
        }
}

/* ---- bad ones ---- */

/* The pointer that the error names, and a part of its words. */
static const struct {
        const char *config, *pointer, *words;
} bad[] = {
        { "[]", "/", "expected an object" },
        { "{'root':{'path':'r'}}", "/ociVersion", "is missing" },
        { "{'ociVersion':'2.0.0'}", "/ociVersion", "version 2.0.0 is not supported" },
        { "{'ociVersion':'0.5.0-dev'}", "/ociVersion", "not supported" },
        { "{'ociVersion':'10.0.0'}", "/ociVersion", "not supported" },
        { "{'ociVersion':'1'}", "/ociVersion", "not a version" },
        { "{'ociVersion':'1.0.0.0'}", "/ociVersion", "not a version" },
        { "{'ociVersion':'1.x'}", "/ociVersion", "not a version" },
        { "{'ociVersion':'1..0'}", "/ociVersion", "not a version" },
        { "{'ociVersion':''}", "/ociVersion", "not a version" },
        { "{'ociVersion':1.0}", "/ociVersion", "expected a string" },
        { "{'ociVersion':'1.0.0'}", "/root", "is missing" },
        { "{'ociVersion':'1.0.0','root':{}}", "/root/path", "is missing" },
        { "{'ociVersion':'1.0.0','root':{'path':''}}", "/root/path", "is empty" },
        { "{'ociVersion':'1.0.0','root':{'path':'r','readonly':'yes'}}", "/root/readonly", "expected true or false" },
        { "{'ociVersion':'1.0.0','root':{'path':'r','readonly':true}}", "/linux/namespaces", "no mount namespace" },
        { HEAD "'mounts':[{'destination':'/d','type':'tmpfs'}]}", "/linux/namespaces", "no mount namespace" },
        { LINUX("'maskedPaths':['/a']"), "/linux/namespaces", "no mount namespace" },
        { LINUX("'readonlyPaths':['/a']"), "/linux/namespaces", "no mount namespace" },

        { HEAD "'process':{'cwd':'/'}}", "/process/args", "is missing" },
        { HEAD "'process':{'args':[],'cwd':'/'}}", "/process/args", "is empty" },
        { HEAD "'process':{'args':['','x'],'cwd':'/'}}", "/process/args", "names no program" },
        { HEAD "'process':{'args':['sh',1],'cwd':'/'}}", "/process/args/1", "expected a string" },
        { HEAD "'process':{'args':['a\\u0000b'],'cwd':'/'}}", "/process/args/0", "NUL" },
        { HEAD "'process':{'args':['sh']}}", "/process/cwd", "is missing" },
        { HEAD "'process':{'args':['sh'],'cwd':'home'}}", "/process/cwd", "not an absolute path" },
        { HEAD "'process':{'args':['sh'],'cwd':''}}", "/process/cwd", "not an absolute path" },
        { PROCESS("'env':['A']"), "/process/env/0", "not NAME=VALUE" },
        { PROCESS("'env':['A=b','=c']"), "/process/env/1", "not NAME=VALUE" },
        { PROCESS("'user':{'gid':0}"), "/process/user/uid", "is missing" },
        { PROCESS("'user':{'uid':0}"), "/process/user/gid", "is missing" },
        { PROCESS("'user':{'uid':4294967295,'gid':0}"), "/process/user/uid", "no id" },
        { PROCESS("'user':{'uid':0,'gid':4294967295}"), "/process/user/gid", "no id" },
        { PROCESS("'user':{'uid':0,'gid':-1}"), "/process/user/gid", "is not from 0" },
        { PROCESS("'user':{'uid':'root','gid':0}"), "/process/user/uid", "whole number" },
        { PROCESS("'user':{'uid':0,'gid':0,'umask':512}"), "/process/user/umask", "0777" },
        { PROCESS("'user':{'uid':0,'gid':0,'additionalGids':[1,4294967295]}"), "/process/user/additionalGids/1", "no id" },
        { PROCESS("'terminal':true,'consoleSize':{'height':25}"), "/process/consoleSize/width", "is missing" },
        { PROCESS("'terminal':true,'consoleSize':{'height':65536,'width':1}"), "/process/consoleSize/height", "is not from 0 to 65535" },
        { PROCESS("'capabilities':['CAP_KILL']"), "/process/capabilities", "expected an object" },
        { PROCESS("'capabilities':{'ambient':['CAP_KILL'],'inheritable':['CAP_KILL']}"), "/process/capabilities/ambient", "CAP_KILL is not in \"permitted\"" },
        { PROCESS("'capabilities':{'ambient':['CAP_KILL'],'permitted':['CAP_KILL']}"), "/process/capabilities/ambient", "CAP_KILL is not in \"inheritable\"" },
        { PROCESS("'capabilities':{'effective':['CAP_KILL'],'permitted':['CAP_CHOWN']}"), "/process/capabilities/effective", "CAP_KILL is not in \"permitted\"" },
        { PROCESS("'rlimits':[{'type':'RLIMIT_FOO','soft':1,'hard':1}]"), "/process/rlimits/0/type", "unknown word" },
        { PROCESS("'rlimits':[{'type':'RLIMIT_CORE','hard':1}]"), "/process/rlimits/0/soft", "is missing" },
        { PROCESS("'rlimits':[{'type':'RLIMIT_CORE','soft':2,'hard':1}]"), "/process/rlimits/0", "soft is above hard" },
        { PROCESS("'rlimits':[{'type':'RLIMIT_CORE','soft':18446744073709551615,'hard':1}]"), "/process/rlimits/0", "soft is above hard" },
        { PROCESS("'rlimits':[{'type':'RLIMIT_CORE','soft':1,'hard':1},{'type':'RLIMIT_CORE','soft':1,'hard':1}]"), "/process/rlimits/1",
          "the same type as in /process/rlimits/0" },
        { PROCESS("'oomScoreAdj':1001"), "/process/oomScoreAdj", "is not from -1000 to 1000" },
        { PROCESS("'oomScoreAdj':-1001"), "/process/oomScoreAdj", "is not from -1000 to 1000" },
        { PROCESS("'noNewPrivileges':1"), "/process/noNewPrivileges", "expected true or false" },
        { PROCESS("'scheduler':{}"), "/process/scheduler/policy", "is missing" },
        { PROCESS("'scheduler':{'policy':'SCHED_FAST'}"), "/process/scheduler/policy", "unknown word" },
        { PROCESS("'scheduler':{'policy':'SCHED_OTHER','nice':20}"), "/process/scheduler/nice", "is not from -20 to 19" },
        { PROCESS("'scheduler':{'policy':'SCHED_FIFO'}"), "/process/scheduler/priority", "is missing or 0" },
        { PROCESS("'scheduler':{'policy':'SCHED_RR','priority':100}"), "/process/scheduler/priority", "is not from 0 to 99" },
        { PROCESS("'scheduler':{'policy':'SCHED_OTHER','priority':1}"), "/process/scheduler/priority", "SCHED_FIFO and SCHED_RR only" },
        { PROCESS("'scheduler':{'policy':'SCHED_OTHER','flags':['X']}"), "/process/scheduler/flags/0", "unknown word" },
        { PROCESS("'scheduler':{'policy':'SCHED_OTHER','runtime':5000}"), "/process/scheduler/policy", "SCHED_DEADLINE only" },
        { PROCESS("'scheduler':{'policy':'SCHED_DEADLINE','runtime':5000}"), "/process/scheduler/deadline", "requires `deadline`" },
        { PROCESS("'scheduler':{'policy':'SCHED_DEADLINE','deadline':5000}"), "/process/scheduler/runtime", "requires `runtime`" },
        { PROCESS("'scheduler':{'policy':'SCHED_DEADLINE','runtime':0,'deadline':5000}"), "/process/scheduler/runtime", "greater than 0" },
        { PROCESS("'scheduler':{'policy':'SCHED_DEADLINE','runtime':9223372036854775809,'deadline':9223372036854775810}"), "/process/scheduler/runtime", "must be between" },
        { PROCESS("'scheduler':{'policy':'SCHED_DEADLINE','runtime':1023,'deadline':5000}"), "/process/scheduler/runtime", "must be between 1024 and" },
        { PROCESS("'scheduler':{'policy':'SCHED_DEADLINE','runtime':6000,'deadline':5000}"), "/process/scheduler/runtime", "must be <= deadline" },
        { PROCESS("'scheduler':{'policy':'SCHED_DEADLINE','runtime':2000,'deadline':5000,'period':4000}"), "/process/scheduler/deadline", "must be <= period" },
        { PROCESS("'scheduler':{'policy':'SCHED_DEADLINE','runtime':2000,'deadline':9223372036854775808}"), "/process/scheduler/period", "too long" },
        { PROCESS("'ioPriority':{'class':'IOPRIO_CLASS_XX'}"), "/process/ioPriority/class", "unknown word" },
        { PROCESS("'ioPriority':{'class':'IOPRIO_CLASS_RT','priority':8}"), "/process/ioPriority/priority", "to 7" },
        { PROCESS("'ioPriority':{'priority':1}"), "/process/ioPriority/class", "is missing" },
        { PROCESS("'execCPUAffinity':{'initial':'3-1'}"), "/process/execCPUAffinity/initial", "not a list" },
        { PROCESS("'execCPUAffinity':{'final':'1,'}"), "/process/execCPUAffinity/final", "not a list" },
        { PROCESS("'execCPUAffinity':{'final':'70000'}"), "/process/execCPUAffinity/final", "not a list" },

        { LINUX("'namespaces':[{'type':'pidd'}]"), "/linux/namespaces/0/type", "unknown word" },
        { LINUX("'namespaces':[{}]"), "/linux/namespaces/0/type", "is missing" },
        { LINUX("'namespaces':[{'type':'pid'},{'type':'pid','path':'/p'}]"), "/linux/namespaces/1/type", "twice" },
        { LINUX("'namespaces':[{'type':'user'},{'type':'user'}]"), "/linux/namespaces/1/type", "twice" },
        { LINUX("'namespaces':[{'type':'pid','path':'p'}]"), "/linux/namespaces/0/path", "not an absolute path" },
        { LINUX("'uidMappings':[{'containerID':0,'hostID':0,'size':1}]"), "/linux/uidMappings", "needs a user namespace" },
        { LINUX("'gidMappings':[{'containerID':0,'hostID':0,'size':1}]"), "/linux/gidMappings", "needs a user namespace" },
        { LINUX("'namespaces':[{'type':'user'}],'uidMappings':[{'containerID':0,'hostID':0,'size':1}]"), "/linux/gidMappings", "is missing or empty" },
        { LINUX("'uidMappings':[{'containerID':0,'hostID':0}]"), "/linux/uidMappings/0/size", "is missing" },
        { LINUX("'uidMappings':[{'containerID':0,'hostID':0,'size':0}]"), "/linux/uidMappings", "size 0" },
        { LINUX("'uidMappings':[{'containerID':1,'hostID':0,'size':4294967295}]"), "/linux/uidMappings", "beyond the largest id" },
        { LINUX("'uidMappings':[{'containerID':0,'hostID':4294967295,'size':1}]"), "/linux/uidMappings", "beyond the largest id" },
        { LINUX("'uidMappings':[{'containerID':0,'hostID':0,'size':10},{'containerID':9,'hostID':20,'size':1}]"), "/linux/uidMappings", "overlap" },
        { LINUX("'gidMappings':[{'containerID':9,'hostID':9,'size':1},{'containerID':20,'hostID':0,'size':10}]"), "/linux/gidMappings", "overlap" },
        { LINUX("'timeOffsets':{'monotonic':{'secs':1}}"), "/linux/timeOffsets/monotonic", "needs a new time namespace" },
        { LINUX("'namespaces':[{'type':'time','path':'/t'}],'timeOffsets':{'boottime':{}}"), "/linux/timeOffsets/boottime", "needs a new time namespace" },
        { OWNING("'timeOffsets':{'realtime':{}}"), "/linux/timeOffsets/realtime", "unknown clock" },
        { OWNING("'timeOffsets':{'monotonic':{'nanosecs':1000000000}}"), "/linux/timeOffsets/monotonic/nanosecs", "999999999" },
        { HEAD "'hostname':'h'}", "/hostname", "needs a UTS namespace" },
        { HEAD "'domainname':'h'}", "/domainname", "needs a UTS namespace" },
        { HEAD "'hostname':'a b','linux':{'namespaces':[{'type':'uts'}]}}", "/hostname", "blank" },
        { HEAD "'hostname':'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx','linux':{'namespaces':[{'type':'uts'}]}}", "/hostname", "64 bytes" },

        { MOUNTS("{'type':'tmpfs'}"), "/mounts/0/destination", "is missing" },
        { MOUNTS("{'type':'tmpfs','destination':''}"), "/mounts/0/destination", "is empty" },
        { MOUNTS("{'destination':'/d'}"), "/mounts/0/type", "is missing" },
        { MOUNTS("{'destination':'/d','type':'none','source':'/s'}"), "/mounts/0/type", "for binds only" },
        { MOUNTS("{'destination':'/d','type':'tmpfs'},{'destination':'/d','options':['rbind']}"), "/mounts/1/source", "is missing" },
        { BIND("'ro','user_id=5'"), "/mounts/0/options/2", "unknown for a bind: \"user_id=5\"" },
        { BIND("'size=5','ro=1'"), "/mounts/0/options/1", "unknown for a bind: \"size=5,ro=1\"" },
        { BIND("'mode=0,ro'"), "/mounts/0/options/1", "unknown for a bind: \"mode=0,ro\"" },
        { BIND("'rw','Ro'"), "/mounts/0/options/2", "unknown for a bind" },
        { BIND("'tmpcopyup'"), "/mounts/0/options", "type tmpfs only" },
        { MOUNTS("{'destination':'/d','type':'ext4','options':['tmpcopyup']}"), "/mounts/0/options", "type tmpfs only" },
        { FS("'copy-symlink'"), "/mounts/0/options", "copy-symlink is for binds only" },
        { FS("'src-nofollow'"), "/mounts/0/options", "src-nofollow is for binds only" },
        { FS("'a',1"), "/mounts/0/options/1", "expected a string" },
        { BIND("'idmap'"), "/mounts/0/options", "idmap without a map" },
        { BIND("'idmap='"), "/mounts/0/options/1", "the map is not uids" },
        { BIND("'idmap=uids=0-0-1'"), "/mounts/0/options/1", "does not map both" },
        { BIND("'idmap=uids=0-0-1;gids=0-0'"), "/mounts/0/options/1", "FIRST-SECOND-COUNT" },
        { BIND("'idmap=uids=0-0-1;gids=0-0-1;x=1'"), "/mounts/0/options/1", "the map is not uids" },
        { BIND("'idmap=uids=0-0-1;gids=0-0-1#'"), "/mounts/0/options/1", "FIRST-SECOND-COUNT" },
        { BIND("'idmap=uids=0-0-1;gids=0-0-1x'"), "/mounts/0/options/1", "FIRST-SECOND-COUNT" },
        { BIND("'idmap=uids=0-0-4294967296;gids=0-0-1'"), "/mounts/0/options/1", "FIRST-SECOND-COUNT" },
        { BIND("'idmap=uids=0-0-5#4-9-1;gids=0-0-1'"), "/mounts/0/options/1", "overlap" },
        { BIND("'idmap=uids=@0-0-5;gids=0-0-1'"), "/mounts/0/options/1", "container's own map" },
        { MOUNTS("{'destination':'/d','type':'tmpfs','uidMappings':[{'containerID':0,'hostID':1,'size':2}]}"), "/mounts/0/gidMappings", "is missing" },

        { LINUX("'devices':[{'type':'x','path':'/d','major':1,'minor':1}]"), "/linux/devices/0/type", "unknown word" },
        { LINUX("'devices':[{'type':'c','major':1,'minor':1}]"), "/linux/devices/0/path", "is missing" },
        { LINUX("'devices':[{'type':'c','path':'dev/d','major':1,'minor':1}]"), "/linux/devices/0/path", "not an absolute path" },
        { LINUX("'devices':[{'type':'c','path':'/dev/../../d','major':1,'minor':1}]"), "/linux/devices/0/path", "not an absolute path" },
        { LINUX("'devices':[{'type':'c','path':'/','major':1,'minor':1}]"), "/linux/devices/0/path", "the root itself" },
        { LINUX("'devices':[{'type':'c','path':'/d','minor':1}]"), "/linux/devices/0/major", "is missing" },
        { LINUX("'devices':[{'type':'b','path':'/d','major':1}]"), "/linux/devices/0/minor", "is missing" },
        { LINUX("'devices':[{'type':'b','path':'/d','major':4096,'minor':1}]"), "/linux/devices/0/major", "4095" },
        { LINUX("'devices':[{'type':'b','path':'/d','major':1,'minor':1048576}]"), "/linux/devices/0/minor", "1048575" },
        { LINUX("'devices':[{'type':'b','path':'/d','major':-1,'minor':1}]"), "/linux/devices/0/major", "is not from 0" },
        { LINUX("'devices':[{'type':'p','path':'/d','fileMode':65536}]"), "/linux/devices/0/fileMode", "not the mode" },
        { LINUX("'devices':[{'type':'p','path':'/d','uid':4294967295}]"), "/linux/devices/0/uid", "no id" },
        { LINUX("'maskedPaths':['proc']"), "/linux/maskedPaths/0", "not an absolute path" },
        { LINUX("'readonlyPaths':['/a','/a/..']"), "/linux/readonlyPaths/1", "not an absolute path" },

        { LINUX("'sysctl':{'net.ipv4.ip_forward':'1'}"), "/linux/sysctl/net.ipv4.ip_forward", "needs a new network namespace" },
        { LINUX("'sysctl':{'kernel.shmmax':'1'}"), "/linux/sysctl/kernel.shmmax", "needs a new IPC namespace" },
        { OWNING("'sysctl':{'kernel.hostname':'h'}"), "/linux/sysctl/kernel.hostname", "a member of its own" },
        { OWNING("'sysctl':{'kernel.sysrq':'1'}"), "/linux/sysctl/kernel.sysrq", "the whole host" },
        { OWNING("'sysctl':{'vm.swappiness':'1'}"), "/linux/sysctl/vm.swappiness", "the whole host" },
        { OWNING("'sysctl':{'kernel.shmmaxx':'1'}"), "/linux/sysctl/kernel.shmmaxx", "the whole host" },
        { OWNING("'sysctl':{'kernel.sem.x':'1'}"), "/linux/sysctl/kernel.sem.x", "the whole host" },
        { OWNING("'sysctl':{'network':'1'}"), "/linux/sysctl/network", "the whole host" },
        { OWNING("'sysctl':{'net/../kernel/sysrq':'1'}"), "/linux/sysctl/net~1..~1kernel~1sysrq", "invalid path" },
        { OWNING("'sysctl':{'net/..//kernel/sysrq':'1'}"), "/linux/sysctl/net~1..~1~1kernel~1sysrq", "invalid path" },
        { OWNING("'sysctl':{'net.//.kernel.sysrq':'1'}"), "/linux/sysctl/net.~1~1.kernel.sysrq", "invalid path" },
        { OWNING("'sysctl':{'/net/ipv4/ip_forward':'1'}"), "/linux/sysctl/~1net~1ipv4~1ip_forward", "invalid path" },
        { OWNING("'sysctl':{'.net.ipv4.ip_forward':'1'}"), "/linux/sysctl/.net.ipv4.ip_forward", "invalid path" },
        { OWNING("'sysctl':{'net..ipv4':'1'}"), "/linux/sysctl/net..ipv4", "invalid path" },
        { OWNING("'sysctl':{'net.ipv4.':'1'}"), "/linux/sysctl/net.ipv4.", "invalid path" },
        { OWNING("'sysctl':{'':'1'}"), "/linux/sysctl/", "invalid path" },
        { OWNING("'sysctl':{'net.ipv4.ip_forward':1}"), "/linux/sysctl/net.ipv4.ip_forward", "expected a string" },
        { OWNING("'sysctl':{'net.ipv4.ip_forward':'1\\n2'}"), "/linux/sysctl/net.ipv4.ip_forward", "line break" },
        { OWNING("'sysctl':{'net.ipv4.ip_forward':'1\\u0000'}"), "/linux/sysctl/net.ipv4.ip_forward", "NUL" },
        { OWNING("'sysctl':{'net.ipv4.ip_forward':'1','net/ipv4/ip_forward':'0'}"), "/linux/sysctl/net~1ipv4~1ip_forward", "the same setting" },
        { LINUX("'netDevices':{'eth0':{}}"), "/linux/netDevices/eth0", "needs a network namespace" },
        { OWNING("'netDevices':{'a/b':{}}"), "/linux/netDevices/a~1b", "not the name" },
        { OWNING("'netDevices':{'..':{}}"), "/linux/netDevices/..", "not the name" },
        { OWNING("'netDevices':{'v%d':{}}"), "/linux/netDevices/v%d", "not the name" },
        { OWNING("'netDevices':{'sixteen-bytes-xx':{}}"), "/linux/netDevices/sixteen-bytes-xx", "not the name" },
        { OWNING("'netDevices':{'e':{'name':'a b'}}"), "/linux/netDevices/e/name", "not the name" },
        { OWNING("'netDevices':{'e':{'name':'%d%d'}}"), "/linux/netDevices/e/name", "not the name" },
        { OWNING("'netDevices':{'e':{'name':'%s'}}"), "/linux/netDevices/e/name", "not the name" },
        { OWNING("'netDevices':{'e':{'name':'f'},'f':{}}"), "/linux/netDevices/f", "the same name inside as /linux/netDevices/e" },

        { LINUX("'memoryPolicy':{}"), "/linux/memoryPolicy/mode", "is missing" },
        { LINUX("'memoryPolicy':{'mode':'X'}"), "/linux/memoryPolicy/mode", "unknown word" },
        { LINUX("'memoryPolicy':{'mode':'MPOL_INTERLEAVE'}"), "/linux/memoryPolicy/nodes", "is missing or empty" },
        { LINUX("'memoryPolicy':{'mode':'MPOL_LOCAL','nodes':'0'}"), "/linux/memoryPolicy/nodes", "take no nodes" },
        { LINUX("'memoryPolicy':{'mode':'MPOL_BIND','nodes':'bad'}"), "/linux/memoryPolicy/nodes", "not a list" },
        { LINUX("'memoryPolicy':{'mode':'MPOL_BIND','nodes':'10284838'}"), "/linux/memoryPolicy/nodes", "not a list" },
        { LINUX("'memoryPolicy':{'mode':'MPOL_PREFERRED','flags':['BADFLAG']}"), "/linux/memoryPolicy/flags/0", "unknown word" },
        { LINUX("'memoryPolicy':{'mode':'MPOL_PREFERRED','flags':['MPOL_F_NUMA_BALANCING']}"), "/linux/memoryPolicy/flags", "MPOL_BIND and" },
        { LINUX("'memoryPolicy':{'mode':'MPOL_BIND','nodes':'0','flags':['MPOL_F_RELATIVE_NODES','MPOL_F_STATIC_NODES']}"), "/linux/memoryPolicy/flags",
          "exclude each other" },
        { LINUX("'memoryPolicy':{'mode':'MPOL_PREFERRED','flags':['MPOL_F_STATIC_NODES']}"), "/linux/memoryPolicy/flags", "flags without nodes" },
        { LINUX("'personality':{}"), "/linux/personality/domain", "is missing" },
        { LINUX("'personality':{'domain':'BSD'}"), "/linux/personality/domain", "unknown word" },
        { LINUX("'personality':{'domain':'LINUX','flags':['X']}"), "/linux/personality/flags/0", "unknown word" },
        { LINUX("'intelRdt':{'closID':'a/b'}"), "/linux/intelRdt/closID", "class of service" },
        { LINUX("'intelRdt':{'closID':'..'}"), "/linux/intelRdt/closID", "class of service" },
        { LINUX("'intelRdt':{'memBwSchema':'L3:0=f'}"), "/linux/intelRdt/memBwSchema", "memory bandwidth" },
        { LINUX("'intelRdt':{'memBwSchema':'MB:0=1\\nL3:0=f'}"), "/linux/intelRdt/memBwSchema", "memory bandwidth" },
        { LINUX("'intelRdt':{'schemata':['a\\nb']}"), "/linux/intelRdt/schemata/0", "line break" },
        { LINUX("'rootfsPropagation':'free'"), "/linux/rootfsPropagation", "unknown word" },
        { LINUX("'cgroupsPath':'/a/../b'"), "/linux/cgroupsPath", "not the path" },
        { LINUX("'cgroupsPath':'..'"), "/linux/cgroupsPath", "not the path" },
        { LINUX("'mountLabel':5"), "/linux/mountLabel", "expected a string" },
        { LINUX("'resources':5"), "/linux/resources", "expected an object" },
        { LINUX("'seccomp':5"), "/linux/seccomp", "expected an object" },

        { HEAD "'hooks':{'prestart':[{}]}}", "/hooks/prestart/0/path", "is missing" },
        { HEAD "'hooks':{'poststop':[{'path':'a'}]}}", "/hooks/poststop/0/path", "not an absolute path" },
        { HEAD "'hooks':{'poststop':[{'path':'/a','timeout':0}]}}", "/hooks/poststop/0/timeout", "not above 0" },
        { HEAD "'hooks':{'poststop':[{'path':'/a','timeout':-3}]}}", "/hooks/poststop/0/timeout", "not above 0" },
        { HEAD "'hooks':{'startContainer':[{'path':'/a','env':['x']}]}}", "/hooks/startContainer/0/env/0", "not NAME=VALUE" },
        { HEAD "'hooks':{'createRuntime':{}}}", "/hooks/createRuntime", "expected an array" },
        { HEAD "'annotations':{'':'v'}}", "/annotations/", "has no name" },
        { HEAD "'annotations':{'k':1}}", "/annotations/k", "expected a string" },
        { HEAD "'annotations':[]}", "/annotations", "expected an object" },
};

static void assert_refused(const char *text, const struct oci_facts *f, const char *pointer, const char *words)
{
        CLEAN_FREE char *config = quoted(text), *start = xprintf("config.json: %s: ", pointer);
        CLEAN_PLAN struct plan p = { 0 };
        struct error e = { 0 };
        if (compile(config, f, &p, &e) != -EINVAL)
                fail_msg("taken: %s", config);
        if (!text_starts(e.cause, start) || !strstr(e.cause + strlen(start), words))
                fail_msg("%s\nsays: %s\nnot: %s...%s", config, e.cause, start, words);
        assert_string_equal(e.id, "json.value");
}

static void what_is_wrong_is_named_by_its_pointer(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_refused(bad[i].config, &facts, bad[i].pointer, bad[i].words);
}

static void an_ordinary_user_is_told_what_only_root_can_do(void **state)
{
        (void)state;
        assert_refused(LINUX("'namespaces':[{'type':'user'}]"), &rootless, "/linux/uidMappings", "is missing or empty");
        assert_refused(OWNING("'netDevices':{'eth0':{}}"), &rootless, "/linux/netDevices/eth0", "an ordinary user");
}

static void lists_have_an_end(void **state)
{
        (void)state;
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"maskedPaths\":[\"/a\"");
        for (int i = 0; i < 16384; i++)
                text_add(&t, ",\"/a\"");
        text_add(&t, "]}}");
        assert_refused(t.data, &facts, "/linux/maskedPaths", "has 16385 items; at most 16384 are read");
        text_clear(&t);
        text_add(&t, "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"namespaces\":[{\"type\":\"user\"}],\"uidMappings\":[");
        for (int i = 0; i < 341; i++)
                text_addf(&t, "%s{\"containerID\":%d,\"hostID\":%d,\"size\":1}", i ? "," : "", i, i);
        text_add(&t, "]}}");
        assert_refused(t.data, &facts, "/linux/uidMappings", "more than the 340 entries");
}

static void a_capability_beyond_the_kernel_is_left_out_with_a_note(void **state)
{
        (void)state;
        struct oci_facts old = facts;
        CLEAN_FREE char *config = quoted(PROCESS("'capabilities':{'bounding':['CAP_CHECKPOINT_RESTORE','CAP_KILL']}"));
        CLEAN_PLAN struct plan p = { 0 };
        struct error e = { 0 };
        old.capabilities_all = (UINT64_C(1) << 40) - 1;
        assert_int_equal(compile(config, &old, &p, &e), 0);
        assert_true(p.container->capabilities.bounding == 1 << 5);
        assert_int_equal(p.notes.count, 1);
        assert_string_equal(p.notes.items[0], "CAP_CHECKPOINT_RESTORE: this kernel does not know it");
}

static void without_capabilities_a_process_has_none(void **state)
{
        (void)state;
        CLEAN_FREE char *config = quoted(PROCESS("'env':[]"));
        CLEAN_PLAN struct plan p = { 0 };
        struct error e = { 0 };
        assert_int_equal(compile(config, &facts, &p, &e), 0);
        assert_true(p.container->capabilities.set);
        assert_true(p.bounding == 0 && p.container->capabilities.permitted == 0);
}

/* ---- exec ---- */

static void a_process_of_exec_replaces_the_process_and_keeps_what_it_is_silent_about(void **state)
{
        (void)state;
        CLEAN_FREE char *config = quoted(PROCESS("'user':{'uid':1,'gid':1,'umask':0,'additionalGids':[3]},'env':['A=1'],'noNewPrivileges':true,'terminal':true,"
                                                 "'capabilities':{'bounding':['CAP_KILL']},'rlimits':[{'type':'RLIMIT_CORE','soft':1,'hard':1}],'apparmorProfile':'a'"));
        CLEAN_FREE char *process = quoted("{'args':['id','-u'],'cwd':'/tmp','env':['B=2'],'rlimits':[{'type':'RLIMIT_NOFILE','soft':5,'hard':5}]}");
        CLEAN_PLAN struct plan p = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        struct error e = { 0 };
        assert_int_equal(compile(config, &facts, &p, &e), 0);
        assert_int_equal(json_parse("process.json", process, strlen(process), &d, &e), 0);
        const struct json_place top = json_top(&d, "process.json");
        assert_int_equal(oci_compile_process(&top, &p, &e), 0);
        CLEAN_FREE char *text = dump(&p);
        assert_string_equal(text, "root /b/rootfs\nuser 0:0 umask 0022\narg id\narg -u\nenv B=2\ncwd /tmp\n"
                                  "no-new-privileges from /process/noNewPrivileges\ncaps b=20 e=0 p=0 i=0 a=0\nrlimit 7 5/5\napparmor a\n");
}

static void an_error_in_a_process_of_exec_names_its_document(void **state)
{
        (void)state;
        CLEAN_FREE char *config = quoted(PROCESS("'env':[]"));
        CLEAN_PLAN struct plan p = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        struct error e = { 0 };
        assert_int_equal(compile(config, &facts, &p, &e), 0);
        assert_int_equal(json_parse("process.json", "{\"args\":[]}", 11, &d, &e), 0);
        const struct json_place top = json_top(&d, "process.json");
        assert_int_equal(oci_compile_process(&top, &p, &e), -EINVAL);
        assert_string_equal(e.cause, "process.json: /args: is empty");
}

/* ---- explain ---- */

#define EXPLAINED                                                                                            \
        HEAD "'process':{'args':['sh'],'cwd':'/w','user':{'uid':5,'gid':6,'additionalGids':[7]},'noNewPrivileges':true,"             \
             "'capabilities':{'bounding':['CAP_KILL'],'permitted':['CAP_KILL'],'inheritable':['CAP_KILL'],'ambient':['CAP_KILL']},"   \
             "'rlimits':[{'type':'RLIMIT_NOFILE','soft':10,'hard':18446744073709551615}]},"                   \
             "'mounts':[{'destination':'/d','source':'/s','options':['rbind','ro','rnosuid']},"               \
             "{'destination':'/t','type':'tmpfs','options':['size=1m','tmpcopyup']}],"                        \
             "'hooks':{'prestart':[{'path':'/h','timeout':3}]},'annotations':{'a':'b'},"                      \
             "'linux':{'namespaces':[{'type':'mount'},{'type':'user'},{'type':'pid','path':'/proc/5/ns/pid'}],"\
             "'uidMappings':[{'containerID':0,'hostID':1000,'size':10}],'gidMappings':[{'containerID':0,'hostID':2000,'size':10}],"   \
             "'devices':[{'type':'c','path':'/dev/fuse','major':10,'minor':229}],'maskedPaths':['/m'],'readonlyPaths':['/r']}}"

/* What is explained in lines begins with these words, whatever the columns are. */
static const char *const explained_lines[] = {
        "unit c1 of the system",
        "command sh",
        "namespace user its own users and groups /linux/namespaces/1",
        "namespace mount its own mounts /linux/namespaces/0",
        "namespace pid joined: /proc/5/ns/pid /linux/namespaces/2",
        "map user 0 1000 of the host, 10 ids",
        "map group 0 2000 of the host, 10 ids",
        "root /b/rootfs writable /root",
        "mount /d shows /s, with what is mounted below, read-only, set-id bits ignored also below /mounts/0",
        "mount /t tmpfs (size=1m), begins as the folder was /mounts/1",
        "mount /m hidden, if there /linux/maskedPaths",
        "mount /r read-only, if there /linux/readonlyPaths",
        "device /dev/fuse character 10:229, mode 0666 of 0:0 /linux/devices/0",
        "identity 5:6 file mode mask 0022 /process/user",
        " 7 further group",
        "folder /w where it starts /process/cwd",
        "limits open files 10, at most unlimited /process/rlimits/0",
        "hook /h prestart, for 3 s at most /hooks/prestart/0",
        "capabilities kept by any program CAP_KILL /process/capabilities/ambient",
        "capabilities 1 of 41 kept inside its user namespace /process/capabilities",
        " kept CAP_KILL",
        "privileges no new ones execve never gains any /process/noNewPrivileges",
        "",
        "Not closed by this plan",
        " every system call can be made closed by /linux/seccomp",
        " the host's network is used closed by a network namespace in /linux/namespaces",
        " message queues and shared memory of the host are used closed by an ipc namespace in /linux/namespaces",
        " memory, processes and devices are not limited closed by /linux/resources",
};

static const struct explain_host host = { .privileged = true, .landlock = true, .capabilities = (UINT64_C(1) << 41) - 1 };

static void explain_says_what_a_container_is(void **state)
{
        (void)state;
        CLEAN_FREE char *config = quoted(EXPLAINED);
        CLEAN_PLAN struct plan p = { 0 };
        CLEAN_TEXT struct text words = { 0 }, squeezed = { 0 }, expected = { 0 };
        struct error e = { 0 };
        assert_int_equal(compile(config, &facts, &p, &e), 0);
        explain_text(&p, &host, &words);
        for (const char *s = words.data; *s; s++)
                if (*s != ' ' || s[1] != ' ')
                        text_add_bytes(&squeezed, s, 1);
        for (size_t i = 0; i < ELEMENTS(explained_lines); i++)
                text_addf(&expected, "%s\n", explained_lines[i]);
        assert_string_equal(squeezed.data, expected.data);
}

static void explain_writes_a_container_as_json(void **state)
{
        (void)state;
        static const char *const members[] = {
                "\"container\":{\"root\":{\"path\":\"/b/rootfs\",\"read_only\":false,\"propagation\":[]}",
                "\"joins\":[{\"type\":\"pid\",\"path\":\"/proc/5/ns/pid\",\"origin\":\"/linux/namespaces/2\"}]",
                "\"uids\":[{\"inside\":0,\"outside\":1000,\"count\":10}]",
                "{\"path\":\"/d\",\"type\":null,\"source\":\"/s\",\"data\":null,\"options\":[\"bind\",\"recursive\",\"ro\",\"below-nosuid\"],",
                "\"masked\":[\"/m\"],\"read_only\":[\"/r\"]",
                "{\"path\":\"/dev/fuse\",\"type\":\"character\",\"major\":10,\"minor\":229,\"mode\":\"0666\",\"uid\":0,\"gid\":0,",
                "\"identity\":{\"uid\":5,\"gid\":6,\"groups\":[7]}",
                "\"inheritable\":[\"CAP_KILL\"],\"ambient\":[\"CAP_KILL\"]",
                "{\"what\":\"open files\",\"soft\":10,\"hard\":null,",
                "{\"kind\":\"prestart\",\"path\":\"/h\",\"args\":[\"/h\"],\"environment\":[],\"timeout_s\":3,",
                "\"annotations\":{\"a\":\"b\"}",
                "{\"what\":\"every system call can be made\",\"closed_by\":\"/linux/seccomp\"}",
        };
        CLEAN_FREE char *config = quoted(EXPLAINED);
        CLEAN_PLAN struct plan p = { 0 };
        CLEAN_TEXT struct text json = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        struct error e = { 0 };
        assert_int_equal(compile(config, &facts, &p, &e), 0);
        explain_json(&p, &host, &json);
        if (json_parse("explain", json.data, json.length, &d, &e) < 0)
                fail_msg("%s\n%s", e.cause, json.data);
        for (size_t i = 0; i < ELEMENTS(members); i++)
                if (!strstr(json.data, members[i]))
                        fail_msg("%s\nis not in\n%s", members[i], json.data);
}

/* ---- spec ---- */

static void what_spec_writes_compiles(void **state)
{
        (void)state;
        for (int user = 0; user < 2; user++) {
                CLEAN_TEXT struct text t = { 0 };
                CLEAN_PLAN struct plan p = { 0 };
                struct error e = { 0 };
                oci_spec_text(user, 1000, 2000, &t);
                if (compile(t.data, user ? &rootless : &facts, &p, &e) < 0)
                        fail_msg("%s", e.cause);
                assert_int_equal(p.container->new_users, user);
                assert_int_equal(!(p.namespaces & CLONE_NEWNET), user);
                assert_true(p.no_new_privileges && p.container->terminal && p.container->root.read_only);
                if (user) {
                        assert_int_equal(p.container->maps.uids[0].outside, 1000);
                        assert_int_equal(p.container->maps.gids[0].outside, 2000);
                        assert_int_equal(p.container->maps.gids[0].count, 1);
                }
        }
}

static void every_option_of_mounts_is_listed_once(void **state)
{
        (void)state;
        size_t count = 0;
        for (const char *name; (name = oci_mount_option(count)); count++)
                for (size_t i = 0; i < count; i++)
                        assert_string_not_equal(oci_mount_option(i), name);
        assert_true(count > 60);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_configuration_becomes_a_plan),
                cmocka_unit_test(what_is_wrong_is_named_by_its_pointer),
                cmocka_unit_test(an_ordinary_user_is_told_what_only_root_can_do),
                cmocka_unit_test(lists_have_an_end),
                cmocka_unit_test(a_capability_beyond_the_kernel_is_left_out_with_a_note),
                cmocka_unit_test(without_capabilities_a_process_has_none),
                cmocka_unit_test(a_process_of_exec_replaces_the_process_and_keeps_what_it_is_silent_about),
                cmocka_unit_test(an_error_in_a_process_of_exec_names_its_document),
                cmocka_unit_test(explain_says_what_a_container_is),
                cmocka_unit_test(explain_writes_a_container_as_json),
                cmocka_unit_test(what_spec_writes_compiles),
                cmocka_unit_test(every_option_of_mounts_is_listed_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
