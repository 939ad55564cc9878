/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/unit_words.h"

#include <string.h>

/* Names with a blank on both sides. Of shared ones each row is a group. */
struct words {
        enum unit_word kind;
        const char *names;
};

static const struct words control_group_words[] = {
        { UNIT_WORD_ONE,
          " Slice AllowedCPUs StartupAllowedCPUs AllowedMemoryNodes StartupAllowedMemoryNodes CPUAccounting CPUWeight "
          " StartupCPUWeight CPUShares StartupCPUShares CPUQuota CPUQuotaPeriodSec MemoryAccounting MemoryMin DefaultMemoryMin "
          " DefaultMemoryLow MemoryLow MemoryHigh MemoryMax MemorySwapMax MemoryLimit DevicePolicy IOAccounting IOWeight "
          " StartupIOWeight BlockIOAccounting BlockIOWeight StartupBlockIOWeight TasksAccounting TasksMax IPAccounting "
          " ManagedOOMSwap ManagedOOMMemoryPressure ManagedOOMMemoryPressureLimit ManagedOOMPreference " },
        { UNIT_WORD_LIST,
          " DeviceAllow IODeviceWeight IOReadBandwidthMax IOWriteBandwidthMax IOReadIOPSMax IOWriteIOPSMax "
          " IODeviceLatencyTargetSec BlockIODeviceWeight BlockIOReadBandwidth BlockIOWriteBandwidth DisableControllers "
          " IPAddressAllow IPAddressDeny IPIngressFilterPath IPEgressFilterPath BPFProgram SocketBindAllow SocketBindDeny "
          " RestrictNetworkInterfaces " },
        { UNIT_WORD_SET, " Delegate " },
        { 0 },
};

static const struct words kill_words[] = {
        { UNIT_WORD_ONE,
          " SendSIGKILL SendSIGHUP KillMode KillSignal RestartKillSignal FinalKillSignal WatchdogSignal " },
        { 0 },
};

static const struct words exec_words[] = {
        { UNIT_WORD_ONE,
          " TimeoutSec WorkingDirectory RootDirectory RootImage RootImageOptions RootHash RootHashSignature RootVerity User Group "
          " Nice OOMScoreAdjust CoredumpFilter IOSchedulingClass IOSchedulingPriority CPUSchedulingPolicy CPUSchedulingPriority "
          " CPUSchedulingResetOnFork NUMAPolicy NUMAMask UMask DynamicUser RemoveIPC StandardInput StandardOutput StandardError "
          " TTYPath TTYReset TTYVHangup TTYVTDisallocate TTYRows TTYColumns SyslogIdentifier SyslogFacility SyslogLevel "
          " SyslogLevelPrefix LogLevelMax LogRateLimitIntervalSec LogRateLimitBurst TimerSlackNSec NoNewPrivileges KeyringMode "
          " ProtectProc ProcSubset SystemCallErrorNumber MemoryDenyWriteExecute RestrictRealtime RestrictSUIDSGID LockPersonality "
          " LimitCPU LimitFSIZE LimitDATA LimitSTACK LimitCORE LimitRSS LimitNOFILE LimitAS LimitNPROC LimitMEMLOCK LimitLOCKS "
          " LimitSIGPENDING LimitMSGQUEUE LimitNICE LimitRTPRIO LimitRTTIME PrivateTmp PrivateDevices ProtectKernelTunables "
          " ProtectKernelModules ProtectKernelLogs ProtectClock ProtectControlGroups NetworkNamespacePath IPCNamespacePath "
          " LogNamespace PrivateNetwork PrivateUsers PrivateMounts PrivateIPC ProtectSystem ProtectHome MountFlags MountAPIVFS "
          " Personality RuntimeDirectoryPreserve RuntimeDirectoryMode StateDirectoryMode CacheDirectoryMode LogsDirectoryMode "
          " ConfigurationDirectoryMode TimeoutCleanSec PAMName IgnoreSIGPIPE UtmpIdentifier UtmpMode SELinuxContext "
          " AppArmorProfile SmackProcessLabel ProtectHostname " },
        { UNIT_WORD_LIST,
          " ExtensionDirectories ExtensionImages MountImages SupplementaryGroups CPUAffinity Environment EnvironmentFile "
          " PassEnvironment UnsetEnvironment StandardInputText StandardInputData LogExtraFields SecureBits "
          " SystemCallFilter SystemCallArchitectures SystemCallLog RestrictNamespaces RestrictAddressFamilies "
          " RestrictFileSystems ReadWriteDirectories ReadOnlyDirectories InaccessibleDirectories ReadWritePaths ReadOnlyPaths "
          " InaccessiblePaths ExecPaths NoExecPaths ExecSearchPath BindPaths BindReadOnlyPaths TemporaryFileSystem "
          " RuntimeDirectory StateDirectory CacheDirectory LogsDirectory ConfigurationDirectory SetCredential "
          " SetCredentialEncrypted LoadCredential LoadCredentialEncrypted " },
        { UNIT_WORD_SET, " CapabilityBoundingSet AmbientCapabilities " },
        { 0 },
};

static const struct words unit_words[] = {
        { UNIT_WORD_ONE,
          " Description SourcePath StopWhenUnneeded RefuseManualStart RefuseManualStop AllowIsolate DefaultDependencies "
          " OnSuccessJobMode OnFailureJobMode OnFailureIsolate IgnoreOnIsolate JobTimeoutSec JobRunningTimeoutSec JobTimeoutAction "
          " JobTimeoutRebootArgument StartLimitIntervalSec StartLimitInterval StartLimitBurst StartLimitAction FailureAction "
          " SuccessAction FailureActionExitStatus SuccessActionExitStatus RebootArgument CollectMode " },
        { UNIT_WORD_LIST,
          " Documentation " },
        { UNIT_WORD_ADDS,
          " Requires Requisite Wants BindsTo BindTo Upholds Conflicts Before After OnSuccess OnFailure PropagatesReloadTo "
          " PropagateReloadTo ReloadPropagatedFrom PropagateReloadFrom PropagatesStopTo StopPropagatedFrom PartOf JoinsNamespaceOf "
          " RequiresOverridable RequisiteOverridable RequiresMountsFor " },
        { UNIT_WORD_SHARED,
          " ConditionPathExists ConditionPathExistsGlob ConditionPathIsDirectory ConditionPathIsSymbolicLink "
          " ConditionPathIsMountPoint ConditionPathIsReadWrite ConditionPathIsEncrypted ConditionDirectoryNotEmpty "
          " ConditionFileNotEmpty ConditionFileIsExecutable ConditionNeedsUpdate ConditionFirstBoot ConditionArchitecture "
          " ConditionFirmware ConditionVirtualization ConditionHost ConditionKernelCommandLine ConditionKernelVersion "
          " ConditionCredential ConditionSecurity ConditionCapability ConditionACPower ConditionMemory ConditionCPUFeature "
          " ConditionCPUs ConditionEnvironment ConditionUser ConditionGroup ConditionControlGroupController ConditionOSRelease "
          " ConditionMemoryPressure ConditionCPUPressure ConditionIOPressure " },
        { UNIT_WORD_SHARED,
          " AssertPathExists AssertPathExistsGlob AssertPathIsDirectory AssertPathIsSymbolicLink AssertPathIsMountPoint "
          " AssertPathIsReadWrite AssertPathIsEncrypted AssertDirectoryNotEmpty AssertFileNotEmpty AssertFileIsExecutable "
          " AssertNeedsUpdate AssertFirstBoot AssertArchitecture AssertVirtualization AssertHost AssertKernelCommandLine "
          " AssertKernelVersion AssertCredential AssertSecurity AssertCapability AssertACPower AssertMemory AssertCPUFeature "
          " AssertCPUs AssertEnvironment AssertUser AssertGroup AssertControlGroupController AssertOSRelease AssertMemoryPressure "
          " AssertCPUPressure AssertIOPressure " },
        { 0 },
};

static const struct words service_words[] = {
        { UNIT_WORD_ONE,
          " PIDFile RestartSec TimeoutStartSec TimeoutStopSec TimeoutAbortSec TimeoutStartFailureMode TimeoutStopFailureMode "
          " RuntimeMaxSec RuntimeRandomizedExtraSec WatchdogSec StartLimitInterval StartLimitBurst StartLimitAction FailureAction "
          " RebootArgument Type ExitType Restart PermissionsStartOnly RootDirectoryStartOnly RemainAfterExit GuessMainPID "
          " NonBlocking BusName FileDescriptorStoreMax NotifyAccess USBFunctionDescriptors USBFunctionStrings OOMPolicy " },
        { UNIT_WORD_COMMANDS,
          " ExecCondition ExecStartPre ExecStart ExecStartPost ExecReload ExecStop ExecStopPost " },
        { UNIT_WORD_LIST,
          " RestartPreventExitStatus RestartForceExitStatus SuccessExitStatus " },
        { UNIT_WORD_ADDS,
          " Sockets " },
        { 0 },
};

static const struct words socket_words[] = {
        { UNIT_WORD_SHARED,
          " ListenStream ListenDatagram ListenSequentialPacket ListenFIFO ListenNetlink ListenSpecial ListenMessageQueue "
          " ListenUSBFunction " },
        { UNIT_WORD_ONE,
          " SocketProtocol BindIPv6Only Backlog BindToDevice SocketUser SocketGroup SocketMode DirectoryMode Accept FlushPending "
          " Writable MaxConnections MaxConnectionsPerSource KeepAlive KeepAliveTimeSec KeepAliveIntervalSec KeepAliveProbes "
          " DeferAcceptSec NoDelay Priority ReceiveBuffer SendBuffer IPTOS IPTTL Mark PipeSize FreeBind Transparent Broadcast "
          " PassCredentials PassSecurity PassPacketInfo Timestamping TCPCongestion ReusePort MessageQueueMaxMessages "
          " MessageQueueMessageSize RemoveOnStop FileDescriptorName Service TriggerLimitIntervalSec TriggerLimitBurst SmackLabel "
          " SmackLabelIPIn SmackLabelIPOut SELinuxContextFromNet " },
        { UNIT_WORD_COMMANDS,
          " ExecStartPre ExecStartPost ExecStopPre ExecStopPost " },
        { UNIT_WORD_LIST,
          " Symlinks " },
        { 0 },
};

static const struct words mount_words[] = {
        { UNIT_WORD_ONE,
          " What Where Options Type DirectoryMode SloppyOptions LazyUnmount ForceUnmount ReadWriteOnly " },
        { 0 },
};

static const struct words automount_words[] = {
        { UNIT_WORD_ONE,
          " Where ExtraOptions DirectoryMode TimeoutIdleSec " },
        { 0 },
};

static const struct words swap_words[] = {
        { UNIT_WORD_ONE,
          " What Priority Options " },
        { 0 },
};

static const struct words timer_words[] = {
        { UNIT_WORD_SHARED,
          " OnCalendar OnActiveSec OnBootSec OnStartupSec OnUnitActiveSec OnUnitInactiveSec " },
        { UNIT_WORD_ONE,
          " OnClockChange OnTimezoneChange Persistent WakeSystem RemainAfterElapse FixedRandomDelay AccuracySec RandomizedDelaySec "
          " Unit " },
        { 0 },
};

static const struct words path_words[] = {
        { UNIT_WORD_SHARED,
          " PathExists PathExistsGlob PathChanged PathModified DirectoryNotEmpty " },
        { UNIT_WORD_ONE,
          " Unit MakeDirectory DirectoryMode TriggerLimitIntervalSec TriggerLimitBurst " },
        { 0 },
};

static const struct words scope_words[] = {
        { UNIT_WORD_ONE,
          " RuntimeMaxSec RuntimeRandomizedExtraSec TimeoutStopSec OOMPolicy " },
        { 0 },
};

static const struct words install_words[] = {
        { UNIT_WORD_LIST,
          " Alias WantedBy RequiredBy " },
        { UNIT_WORD_ADDS,
          " Also " },
        { UNIT_WORD_ONE,
          " DefaultInstance " },
        { 0 },
};

enum { GROUPS_MAX = 4 };

static const struct section {
        const char *name;
        const struct words *groups[GROUPS_MAX];
} sections[] = {
        { "Unit", { unit_words } },
        { "Install", { install_words } },
        { "Service", { service_words, exec_words, kill_words, control_group_words } },
        { "Socket", { socket_words, exec_words, kill_words, control_group_words } },
        { "Mount", { mount_words, exec_words, kill_words, control_group_words } },
        { "Swap", { swap_words, exec_words, kill_words, control_group_words } },
        { "Scope", { scope_words, kill_words, control_group_words } },
        { "Slice", { control_group_words } },
        { "Automount", { automount_words } },
        { "Timer", { timer_words } },
        { "Path", { path_words } },
};

static const char *const sections_of_types[UNIT_TYPES][4] = {
        [UNIT_SERVICE] = { "Unit", "Install", "Service" }, [UNIT_SOCKET] = { "Unit", "Install", "Socket" },
        [UNIT_TARGET] = { "Unit", "Install" },             [UNIT_DEVICE] = { "Unit", "Install" },
        [UNIT_MOUNT] = { "Unit", "Install", "Mount" },     [UNIT_AUTOMOUNT] = { "Unit", "Install", "Automount" },
        [UNIT_SWAP] = { "Unit", "Install", "Swap" },       [UNIT_TIMER] = { "Unit", "Install", "Timer" },
        [UNIT_PATH] = { "Unit", "Install", "Path" },       [UNIT_SLICE] = { "Unit", "Install", "Slice" },
        [UNIT_SCOPE] = { "Unit", "Install", "Scope" },
};

const char *const *unit_sections(enum unit_type t)
{
        return sections_of_types[t];
}

const char *unit_section_of(enum unit_type t)
{
        return sections_of_types[t][2];
}

static const struct section *find_section(const char *name)
{
        for (size_t i = 0; i < ELEMENTS(sections); i++)
                if (text_equal(sections[i].name, name))
                        return &sections[i];
        return NULL;
}

bool unit_section_has_sandbox(const char *section)
{
        const struct section *s = find_section(section);
        for (size_t i = 0; s && i < GROUPS_MAX && s->groups[i]; i++)
                if (s->groups[i] == control_group_words)
                        return true;
        return false;
}

static const struct words *find_words(const char *section, const char *name)
{
        const struct section *s = find_section(section);
        CLEAN_FREE char *spaced = xprintf(" %s ", name);
        if (!*name || strchr(name, ' '))
                return NULL;
        for (size_t i = 0; s && i < GROUPS_MAX && s->groups[i]; i++)
                for (const struct words *w = s->groups[i]; w->kind; w++)
                        if (strstr(w->names, spaced))
                                return w;
        return NULL;
}

enum unit_word unit_word_kind(const char *section, const char *name)
{
        const struct words *w = find_words(section, name);
        return w ? w->kind : UNIT_WORD_UNKNOWN;
}

/* ---- what holds ---- */

/* One name of one section, which unit_file keeps once: compared by address. */
struct seen {
        const char *section, *name;
        const struct words *words;
        size_t holds_from; /* lines before this one are forgotten */
        size_t next;       /* another with the same hash, plus one */
};

struct merge {
        struct seen *seen;
        size_t count, room;
        size_t heads[512];
};

static struct seen *see(struct merge *m, const struct unit_line *l)
{
        size_t *head = &m->heads[((uintptr_t)l->section ^ (uintptr_t)l->name >> 4) % ELEMENTS(m->heads)];
        for (size_t i = *head; i; i = m->seen[i - 1].next)
                if (m->seen[i - 1].name == l->name && m->seen[i - 1].section == l->section)
                        return &m->seen[i - 1];
        m->seen = xgrow(m->seen, &m->room, m->count + 1, sizeof *m->seen);
        m->seen[m->count] = (struct seen){ l->section, l->name, find_words(l->section, l->name), 0, *head };
        *head = ++m->count;
        return &m->seen[m->count - 1];
}

static void note_line(struct merge *m, const struct unit_line *l, size_t index)
{
        struct seen *s = see(m, l);
        enum unit_word kind = s->words ? s->words->kind : UNIT_WORD_ONE;
        if (kind == UNIT_WORD_ONE)
                s->holds_from = index;
        else if (kind != UNIT_WORD_ADDS && !*l->value)
                s->holds_from = index + (kind != UNIT_WORD_SET);
        if (kind != UNIT_WORD_SHARED || *l->value)
                return;
        for (size_t i = 0; i < m->count; i++)
                if (m->seen[i].words == s->words && m->seen[i].section == s->section)
                        m->seen[i].holds_from = index + 1;
}

size_t *unit_merge(const struct unit_file *u, size_t *ret_count)
{
        struct merge m = { 0 };
        size_t *kept = xalloc(u->count, sizeof *kept), count = 0;
        for (size_t i = 0; i < u->count; i++)
                note_line(&m, &u->lines[i], i);
        for (size_t i = 0; i < u->count; i++) {
                const struct seen *s = see(&m, &u->lines[i]);
                bool has_value = *u->lines[i].value || (s->words && s->words->kind == UNIT_WORD_SET);
                if (i >= s->holds_from && has_value)
                        kept[count++] = i;
        }
        free(m.seen);
        *ret_count = count;
        return kept;
}
