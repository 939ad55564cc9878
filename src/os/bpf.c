/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/bpf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

static int bpf(int command, union bpf_attr *attr)
{
        long r = syscall(SYS_bpf, command, attr, sizeof *attr);
        return r < 0 ? -errno : (int)r;
}

/* ---- making ---- */

void bpf_program_done(struct bpf_program *p)
{
        free(p->items);
        *p = (struct bpf_program){ 0 };
}

void bpf_add(struct bpf_program *p, uint8_t code, int dst, int src, int offset, int32_t immediate)
{
        p->items = xgrow(p->items, &p->room, p->count + 1, sizeof *p->items);
        p->items[p->count++] = (struct bpf_insn){ .code = code, .dst_reg = dst & 15, .src_reg = src & 15, .off = (int16_t)offset, .imm = immediate };
}

void bpf_add_answer(struct bpf_program *p, int32_t answer)
{
        bpf_add(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, answer);
        bpf_add(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

void bpf_land(struct bpf_program *p, size_t at)
{
        p->items[at].off = (int16_t)(p->count - at - 1);
}

/* ---- loading ---- */

int bpf_load(const struct bpf_kind *k, const struct bpf_program *p)
{
        union bpf_attr attr = { 0 };
        attr.prog_type = k->type;
        attr.expected_attach_type = k->attach;
        attr.attach_btf_id = k->function;
        attr.insns = (uintptr_t)p->items;
        attr.insn_cnt = (uint32_t)p->count;
        attr.license = (uintptr_t)(k->license ? k->license : "LGPL-2.1-or-later");
        (void)strncpy(attr.prog_name, k->name, sizeof attr.prog_name - 1);
        return bpf(BPF_PROG_LOAD, &attr);
}

int bpf_attach(const struct bpf_kind *k, int folder_fd, int program_fd, int replaced_fd)
{
        union bpf_attr attr = { 0 };
        attr.target_fd = (uint32_t)folder_fd;
        attr.attach_bpf_fd = (uint32_t)program_fd;
        attr.attach_type = k->attach;
        attr.attach_flags = BPF_F_ALLOW_MULTI | (replaced_fd >= 0 ? BPF_F_REPLACE : 0);
        attr.replace_bpf_fd = replaced_fd >= 0 ? (uint32_t)replaced_fd : 0;
        return bpf(BPF_PROG_ATTACH, &attr);
}

int bpf_detach(const struct bpf_kind *k, int folder_fd, int program_fd)
{
        union bpf_attr attr = { 0 };
        attr.target_fd = (uint32_t)folder_fd;
        attr.attach_bpf_fd = (uint32_t)program_fd;
        attr.attach_type = k->attach;
        return bpf(BPF_PROG_DETACH, &attr);
}

int bpf_present(const struct bpf_kind *k, int folder_fd, int fds[BPF_PRESENT_MAX])
{
        uint32_t ids[BPF_PRESENT_MAX];
        union bpf_attr attr = { 0 };
        attr.query.target_fd = (uint32_t)folder_fd;
        attr.query.attach_type = k->attach;
        attr.query.prog_ids = (uintptr_t)ids;
        attr.query.prog_cnt = BPF_PRESENT_MAX;
        int r = bpf(BPF_PROG_QUERY, &attr), count = 0;
        for (uint32_t i = 0; r == 0 && i < attr.query.prog_cnt; i++) {
                union bpf_attr by_id = { 0 };
                by_id.prog_id = ids[i];
                int fd = bpf(BPF_PROG_GET_FD_BY_ID, &by_id);
                if (fd >= 0)
                        fds[count++] = fd;
                else if (fd != -ENOENT)
                        r = fd;
        }
        for (int i = 0; r < 0 && i < count; i++)
                fd_close(fds[i]);
        return r < 0 ? r : count;
}

/* ---- maps ---- */

static int set_element(int map_fd, const void *key, const uint32_t *value)
{
        union bpf_attr attr = { 0 };
        attr.map_fd = (uint32_t)map_fd;
        attr.key = (uintptr_t)key;
        attr.value = (uintptr_t)value;
        return bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

int bpf_map_of_prefixes(size_t address_bytes, const void *keys, const uint32_t *values, size_t count)
{
        union bpf_attr attr = { 0 }, freeze = { 0 };
        size_t key_bytes = sizeof(uint32_t) + address_bytes;
        attr.map_type = BPF_MAP_TYPE_LPM_TRIE;
        attr.key_size = (uint32_t)key_bytes;
        attr.value_size = sizeof *values;
        attr.max_entries = (uint32_t)count;
        attr.map_flags = BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG;
        strcpy(attr.map_name, "bulkhead_ip");
        CLEAN_FD int fd = bpf(BPF_MAP_CREATE, &attr);
        int r = fd < 0 ? fd : 0;
        for (size_t i = 0; r == 0 && i < count; i++)
                r = set_element(fd, (const char *)keys + i * key_bytes, &values[i]);
        freeze.map_fd = (uint32_t)fd;
        if (r == 0)
                r = bpf(BPF_MAP_FREEZE, &freeze);
        return r < 0 ? r : TAKE_FD(fd);
}

int bpf_map_of_one(const char *name, size_t bytes)
{
        union bpf_attr attr = { 0 };
        attr.map_type = BPF_MAP_TYPE_ARRAY;
        attr.key_size = sizeof(uint32_t);
        attr.value_size = (uint32_t)bytes;
        attr.max_entries = 1;
        (void)strncpy(attr.map_name, name, sizeof attr.map_name - 1);
        return bpf(BPF_MAP_CREATE, &attr);
}

int bpf_read_one(int map_fd, void *ret)
{
        const uint32_t first = 0;
        union bpf_attr attr = { 0 };
        attr.map_fd = (uint32_t)map_fd;
        attr.key = (uintptr_t)&first;
        attr.value = (uintptr_t)ret;
        return bpf(BPF_MAP_LOOKUP_ELEM, &attr);
}

static int get_info(int fd, void *info, size_t size)
{
        union bpf_attr attr = { 0 };
        attr.info.bpf_fd = (uint32_t)fd;
        attr.info.info_len = (uint32_t)size;
        attr.info.info = (uintptr_t)info;
        return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

int bpf_map_of_program(int program_fd, const char *name, size_t bytes)
{
        uint32_t ids[8] = { 0 };
        struct bpf_prog_info program = { .nr_map_ids = ELEMENTS(ids), .map_ids = (uintptr_t)ids };
        int r = get_info(program_fd, &program, sizeof program);
        for (uint32_t i = 0; r == 0 && i < program.nr_map_ids && i < ELEMENTS(ids); i++) {
                union bpf_attr by_id = { 0 };
                struct bpf_map_info map = { 0 };
                by_id.map_id = ids[i];
                CLEAN_FD int fd = bpf(BPF_MAP_GET_FD_BY_ID, &by_id);
                if (fd >= 0 && get_info(fd, &map, sizeof map) == 0 && !strncmp(map.name, name, sizeof map.name) && map.value_size == bytes)
                        return TAKE_FD(fd);
        }
        return r < 0 ? r : -ENOENT;
}
