/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <libvirt/virterror.h>

#include "group/observed.h"
#include "libvirt_plugin.h"

pthread_mutex_t *lane_of(struct libvirt *l, const char *domain)
{
        size_t n = strlen(domain);
        unsigned sum = 0;
        /* The end is hex digits of a hash. */
        for (size_t i = n > 4 ? n - 4 : 0; i < n; i++)
                sum = sum * 31 + (unsigned char)domain[i];
        return l->lanes + sum % LANES;
}

/* ---- the record ---- */

int domain_record(const struct libvirt *l, virDomainPtr d, struct instance_record *ret, struct error *e)
{
        const char *name = virDomainGetName(d);
        size_t n = strlen(l->domain_owner);
        if (!name || strncmp(name, l->domain_owner, n) || name[n] != '-')
                return 0;
        CLEAN_FREE char *xml = virDomainGetMetadata(d, VIR_DOMAIN_METADATA_ELEMENT, METADATA_URI, VIR_DOMAIN_AFFECT_CONFIG);
        if (!xml) {
                int code = virGetLastErrorCode();
                /* A domain that is gone meanwhile, or has no definition beyond this life, is none of ours either. */
                if (code == VIR_ERR_NO_DOMAIN_METADATA || code == VIR_ERR_NO_DOMAIN || code == VIR_ERR_OPERATION_INVALID)
                        return 0;
                return libvirt_fail(e, EIO, "reading the metadata of", name);
        }
        int r = metadata_parse(xml, name, l->domain_owner, ret, e);
        if (r == 1 && !text_equal(name + n + 1, ret->name)) {
                /* Copied from a domain of ours into another. */
                instance_record_done(ret);
                return 0;
        }
        return r;
}

int domain_write(const struct libvirt *l, virDomainPtr d, const struct instance_record *r, struct error *e)
{
        const char *name = virDomainGetName(d); /* asking for it later would forget the error */
        CLEAN_FREE char *xml = metadata_xml(l->domain_owner, r);
        unsigned flags = VIR_DOMAIN_AFFECT_CONFIG;
        if (virDomainIsActive(d) == 1)
                flags |= VIR_DOMAIN_AFFECT_LIVE;
        if (virDomainSetMetadata(d, VIR_DOMAIN_METADATA_ELEMENT, xml, METADATA_KEY, METADATA_URI, flags) < 0)
                return libvirt_fail(e, EIO, "writing the metadata of", name);
        return 0;
}

static int write_stage(const struct libvirt *l, virDomainPtr d, struct instance_record *r, enum instance_stage stage, struct error *e)
{
        r->stage = stage;
        return domain_write(l, d, r, e);
}

bool domain_counts(virDomainPtr d, const struct instance_record *r)
{
        CLEAN_PROPERTIES struct properties p = { 0 };
        struct error e = { 0 };
        if (r->stage != STAGE_READY || virDomainIsActive(d) != 0)
                return true;
        return properties_parse(r->properties, true, &p, &e) < 0 || p.keep_stopped;
}

/* ---- what it is now ---- */

/* The hypervisor rounds memory up to what it can give: whole MiB, and on POWER 256 of them. */
static bool same_memory(const struct properties *p, uint64_t bytes)
{
        uint64_t step = p->arch && text_starts(p->arch, "ppc") ? 256ULL << 20 : 1ULL << 20;
        return bytes + 1024 > p->memory_bytes && bytes < p->memory_bytes + step;
}

/* Of a whole domain in XML nothing is known. What was not asked for need not be as it is by itself. */
void domain_observe(virDomainPtr d, const struct instance_record *r, char **properties)
{
        CLEAN_PROPERTIES struct properties p = { 0 };
        virDomainInfo info = { 0 };
        if (r->stage != STAGE_READY || properties_parse(*properties, true, &p, NULL) < 0 || p.xml || virDomainGetInfo(d, &info) < 0)
                return;
        CLEAN_FREE char *memory = xprintf(info.maxMem % 1024 ? "%luK" : "%luM", info.maxMem % 1024 ? info.maxMem : info.maxMem / 1024), *cpus = xprintf("%u", (unsigned)info.nrVirtCpu);
        if (!same_memory(&p, (uint64_t)info.maxMem * 1024))
                observed_set_text(properties, "Memory", memory);
        if (info.nrVirtCpu != p.cpus)
                observed_set(properties, "CPUs", cpus);
}

/* ---- disks ---- */

static void free_pool(virStoragePoolPtr *p)
{
        if (*p)
                (void)virStoragePoolFree(*p);
}
static void free_volume(virStorageVolPtr *v)
{
        if (*v)
                (void)virStorageVolFree(*v);
}
#define CLEAN_STORAGE CLEAN(free_pool)
#define CLEAN_VOLUME CLEAN(free_volume)

static int make_disk(virConnectPtr c, const struct disk *d, const char *name, struct error *e)
{
        CLEAN_STORAGE virStoragePoolPtr pool = virStoragePoolLookupByName(c, d->pool);
        if (!pool)
                return libvirt_fail(e, ENOENT, "finding the pool", d->pool);
        CLEAN_VOLUME virStorageVolPtr there = virStorageVolLookupByName(pool, name);
        if (there)
                return 0; /* from an attempt before */
        CLEAN_VOLUME virStorageVolPtr base = d->base ? virStorageVolLookupByName(pool, d->base) : NULL;
        if (d->base && !base)
                return libvirt_fail(e, ENOENT, "finding the volume", d->base);
        struct disk own = *d;
        virStorageVolInfo info;
        if (base && !own.size_bytes) {
                if (virStorageVolGetInfo(base, &info) < 0)
                        return libvirt_fail(e, EIO, "asking for the size of", d->base);
                own.size_bytes = info.capacity;
        }
        CLEAN_FREE char *path = base ? virStorageVolGetPath(base) : NULL;
        CLEAN_FREE char *xml = volume_xml(&own, name, path);
        CLEAN_VOLUME virStorageVolPtr made = virStorageVolCreateXML(pool, xml, 0);
        return made ? 0 : libvirt_fail(e, EIO, "making the volume", name);
}

static int remove_disk(virConnectPtr c, const struct disk *d, const char *name, struct error *e)
{
        CLEAN_STORAGE virStoragePoolPtr pool = virStoragePoolLookupByName(c, d->pool);
        if (!pool)
                return virGetLastErrorCode() == VIR_ERR_NO_STORAGE_POOL ? 0 : libvirt_fail(e, EIO, "finding the pool", d->pool);
        CLEAN_VOLUME virStorageVolPtr volume = virStorageVolLookupByName(pool, name);
        if (!volume)
                return virGetLastErrorCode() == VIR_ERR_NO_STORAGE_VOL ? 0 : libvirt_fail(e, EIO, "finding the volume", name);
        return virStorageVolDelete(volume, 0) < 0 ? libvirt_fail(e, EIO, "removing the volume", name) : 0;
}

static int each_disk(virConnectPtr c, const char *domain, const struct instance_record *r,
                     int (*act)(virConnectPtr c, const struct disk *d, const char *name, struct error *e), struct error *e)
{
        CLEAN_PROPERTIES struct properties p = { 0 };
        int result = properties_parse(r->properties, true, &p, e);
        for (size_t i = 0; result == 0 && i < p.disk_count; i++) {
                CLEAN_FREE char *name = disk_volume(&p, domain, i);
                result = act(c, p.disks + i, name, e);
        }
        return result;
}

/* ---- up and down ---- */

int domain_bring_down(const struct libvirt *l, virConnectPtr c, virDomainPtr d, const struct instance_record *r, struct error *e)
{
        static const unsigned all = VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | VIR_DOMAIN_UNDEFINE_NVRAM |
                                    VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA;
        const char *name = virDomainGetName(d);
        (void)l;
        if (virDomainIsActive(d) == 1 && virDomainDestroy(d) < 0 && virGetLastErrorCode() != VIR_ERR_OPERATION_INVALID)
                return libvirt_fail(e, EIO, "ending", name);
        int result = each_disk(c, name, r, remove_disk, e);
        if (result < 0)
                return result;
        /* Some drivers know none of the flags. */
        if (virDomainUndefineFlags(d, all) == 0 || virDomainUndefine(d) == 0 || virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
                return 0;
        return libvirt_fail(e, EIO, "removing", name);
}

static int start_domain(virConnectPtr c, virDomainPtr d, const struct instance_record *r, struct error *e)
{
        const char *name = virDomainGetName(d);
        int result = each_disk(c, name, r, make_disk, e);
        if (result < 0 || virDomainIsActive(d) == 1)
                return result;
        if (virDomainCreate(d) == 0)
                return 0;
        /* Asking whether somebody else has started it would forget the error. */
        libvirt_fail(e, EIO, "starting", name);
        if (virDomainIsActive(d) != 1)
                return -EIO;
        *e = (struct error){ 0 };
        return 0;
}

int domain_bring_up(const struct libvirt *l, virConnectPtr c, virDomainPtr d, struct instance_record *r, struct error *e)
{
        struct error later = { 0 };
        int result = start_domain(c, d, r, e);
        if (result == 0)
                return write_stage(l, d, r, STAGE_READY, e);
        if (write_stage(l, d, r, STAGE_FAILED, &later) < 0 || domain_bring_down(l, c, d, r, &later) < 0)
                error_hint(e, "it could not be cleared away yet: %s", later.cause);
        return result;
}

/* ---- all of them ---- */

int domain_each(const struct libvirt *l, virConnectPtr c, int (*each)(void *context, virDomainPtr d, const char *name, struct instance_record *r, struct error *e),
                void *context, struct error *e)
{
        virDomainPtr *all = NULL;
        int count = virConnectListAllDomains(c, &all, 0), result = 0;
        if (count < 0)
                return libvirt_fail(e, EIO, "listing domains of", "libvirt");
        for (int i = 0; i < count; i++) {
                CLEAN_INSTANCE_RECORD struct instance_record r = { 0 };
                int ours = result == 0 ? domain_record(l, all[i], &r, e) : 0;
                if (ours == 1)
                        result = each(context, all[i], virDomainGetName(all[i]), &r, e);
                else if (ours < 0)
                        result = ours;
                (void)virDomainFree(all[i]);
        }
        free(all);
        return result;
}
