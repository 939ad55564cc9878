/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/file_systems.h"

#include <linux/magic.h>

static const struct file_system systems[] = {
        { "9p", { V9FS_MAGIC } },
        { "adfs", { ADFS_SUPER_MAGIC } },
        { "affs", { AFFS_SUPER_MAGIC } },
        { "afs", { AFS_FS_MAGIC, AFS_SUPER_MAGIC } },
        { "anon_inodefs", { ANON_INODE_FS_MAGIC } },
        { "apparmorfs", { AAFS_MAGIC } },
        { "aufs", { 0x61756673 } },
        { "autofs", { AUTOFS_SUPER_MAGIC } },
        { "bcachefs", { 0xca451a4e } },
        { "bdev", { BDEVFS_MAGIC } },
        { "binder", { BINDERFS_SUPER_MAGIC } },
        { "binfmt_misc", { BINFMTFS_MAGIC } },
        { "bpf", { BPF_FS_MAGIC } },
        { "btrfs", { BTRFS_SUPER_MAGIC } },
        { "ceph", { CEPH_SUPER_MAGIC } },
        { "cgroup", { CGROUP_SUPER_MAGIC } },
        { "cgroup2", { CGROUP2_SUPER_MAGIC } },
        { "cifs", { CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC } },
        { "coda", { CODA_SUPER_MAGIC } },
        { "configfs", { 0x62656570 } },
        { "cramfs", { CRAMFS_MAGIC } },
        { "dax", { DAXFS_MAGIC } },
        { "debugfs", { DEBUGFS_MAGIC } },
        { "devmem", { DEVMEM_MAGIC } },
        { "devpts", { DEVPTS_SUPER_MAGIC } },
        { "devtmpfs", { TMPFS_MAGIC, RAMFS_MAGIC } },
        { "dmabuf", { DMA_BUF_MAGIC } },
        { "ecryptfs", { ECRYPTFS_SUPER_MAGIC } },
        { "efivarfs", { EFIVARFS_MAGIC } },
        { "efs", { EFS_SUPER_MAGIC } },
        { "erofs", { EROFS_SUPER_MAGIC_V1 } },
        { "exfat", { EXFAT_SUPER_MAGIC } },
        { "ext2", { EXT2_SUPER_MAGIC } },
        { "ext3", { EXT3_SUPER_MAGIC } },
        { "ext4", { EXT4_SUPER_MAGIC } },
        { "f2fs", { F2FS_SUPER_MAGIC } },
        { "fuse", { FUSE_SUPER_MAGIC } },
        { "fuseblk", { FUSE_SUPER_MAGIC } },
        { "fusectl", { 0x65735543 } },
        { "gfs", { 0x01161970 } },
        { "gfs2", { 0x01161970 } },
        { "hfs", { 0x4244 } },
        { "hfsplus", { 0x482b } },
        { "hostfs", { HOSTFS_SUPER_MAGIC } },
        { "hpfs", { HPFS_SUPER_MAGIC } },
        { "hugetlbfs", { HUGETLBFS_MAGIC } },
        { "iso9660", { ISOFS_SUPER_MAGIC } },
        { "jffs2", { JFFS2_SUPER_MAGIC } },
        { "minix", { MINIX_SUPER_MAGIC, MINIX2_SUPER_MAGIC, MINIX3_SUPER_MAGIC } },
        { "mqueue", { 0x19800202 } },
        { "msdos", { MSDOS_SUPER_MAGIC } },
        { "ncp", { NCP_SUPER_MAGIC } },
        { "ncpfs", { NCP_SUPER_MAGIC } },
        { "nfs", { NFS_SUPER_MAGIC } },
        { "nfs4", { NFS_SUPER_MAGIC } },
        { "nilfs2", { NILFS_SUPER_MAGIC } },
        { "nsfs", { NSFS_MAGIC } },
        { "ntfs", { 0x5346544e } },
        { "ntfs3", { 0x7366746e } },
        { "ocfs2", { OCFS2_SUPER_MAGIC } },
        { "openpromfs", { OPENPROM_SUPER_MAGIC } },
        { "orangefs", { 0x20030528 } },
        { "overlay", { OVERLAYFS_SUPER_MAGIC } },
        { "pidfs", { 0x50494446 } },
        { "pipefs", { PIPEFS_MAGIC } },
        { "proc", { PROC_SUPER_MAGIC } },
        { "pstore", { PSTOREFS_MAGIC } },
        { "pvfs2", { 0x20030528 } },
        { "qnx4", { QNX4_SUPER_MAGIC } },
        { "qnx6", { QNX6_SUPER_MAGIC } },
        { "ramfs", { RAMFS_MAGIC } },
        { "reiserfs", { REISERFS_SUPER_MAGIC } },
        { "resctrl", { RDTGROUP_SUPER_MAGIC } },
        { "rpc_pipefs", { 0x67596969 } },
        { "secretmem", { SECRETMEM_MAGIC } },
        { "securityfs", { SECURITYFS_MAGIC } },
        { "selinuxfs", { SELINUX_MAGIC } },
        { "smackfs", { SMACK_MAGIC } },
        { "smb3", { SMB2_SUPER_MAGIC, CIFS_SUPER_MAGIC } },
        { "smbfs", { SMB_SUPER_MAGIC } },
        { "sockfs", { SOCKFS_MAGIC } },
        { "squashfs", { SQUASHFS_MAGIC } },
        { "sysfs", { SYSFS_MAGIC } },
        { "tmpfs", { TMPFS_MAGIC } },
        { "tracefs", { TRACEFS_MAGIC } },
        { "udf", { UDF_SUPER_MAGIC } },
        { "usbdevfs", { USBDEVICE_SUPER_MAGIC } },
        { "vboxsf", { 0x786f4256 } },
        { "vfat", { MSDOS_SUPER_MAGIC } },
        { "virtiofs", { FUSE_SUPER_MAGIC } },
        { "xenfs", { XENFS_SUPER_MAGIC } },
        { "xfs", { XFS_SUPER_MAGIC } },
        { "zonefs", { ZONEFS_MAGIC } },
};

static const struct {
        const char *name, *members; /* NULL: all that are known */
} groups[] = {
        { "@anonymous", "anon_inodefs pipefs sockfs" },
        { "@application", "aufs autofs fuse overlay" },
        { "@auxiliary-api", "binfmt_misc configfs efivarfs fusectl hugetlbfs rpc_pipefs securityfs" },
        { "@basic-api", "cgroup cgroup2 devpts devtmpfs mqueue proc sysfs" },
        { "@common-block", "btrfs erofs exfat ext4 f2fs iso9660 ntfs3 squashfs udf vfat xfs" },
        { "@historical-block", "ext2 ext3 minix" },
        { "@known", NULL },
        { "@network", "afs ceph cifs gfs gfs2 ncp ncpfs nfs nfs4 ocfs2 orangefs pvfs2 smb3 smbfs" },
        { "@privileged-api", "bpf debugfs pstore tracefs" },
        { "@security", "apparmorfs selinuxfs smackfs" },
        { "@temporary", "ramfs tmpfs" },
};

const struct file_system *file_system_find(const char *name)
{
        for (size_t i = 0; i < ELEMENTS(systems); i++)
                if (text_equal(systems[i].name, name))
                        return &systems[i];
        return NULL;
}

bool file_system_group(const char *name, struct strings *ret)
{
        for (size_t i = 0; i < ELEMENTS(groups); i++) {
                if (!text_equal(groups[i].name, name))
                        continue;
                if (groups[i].members)
                        (void)text_split_words(groups[i].members, ret);
                for (size_t k = 0; !groups[i].members && k < ELEMENTS(systems); k++)
                        strings_add(ret, systems[k].name);
                return true;
        }
        return false;
}
