//! The filter of system calls: what a confined command may never ask of the kernel.
//!
//! A list of refusals, not of permissions: compilers, interpreters and whatever people run need most of the rest, and the
//! walls are the namespaces or Landlock. What stands here is what goes round those: other processes' memory, mounts and
//! namespaces, keys, rings that do system calls without being seen, sockets to programs of this machine.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

/// What differs between launches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter {
    /// TCP and UDP are granted. Never Unix sockets, which lead to D-Bus and whatever else listens here, and no raw ones.
    pub network: bool,
    /// The kernel keeps signals inside already, by a PID namespace or Landlock's scope.
    pub signals_held: bool,
    /// Shared memory and message queues of the machine are out of reach already, by an IPC namespace.
    pub ipc_held: bool,
}

const SOCK_TYPE: u64 = 0xf;
/// Flags of clone(2) that make a namespace.
const NEW_NAMESPACES: [i32; 8] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
    0x80, // CLONE_NEWTIME
];

/// Refused whatever the arguments.
const REFUSED: &[libc::c_long] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // Keys of the session and the user.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    // The kernel itself.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// Shared memory, semaphores and queues by number or name.
const IPC: &[libc::c_long] = &[
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
];

/// Signals to one process or thread by number.
const SIGNALS: &[libc::c_long] = &[
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_send_signal,
];

/// Naming who gets a signal when there is news on a descriptor: it goes to any process of the user.
const OWNER_BY_FCNTL: [u64; 2] = [8, 15]; // F_SETOWN, F_SETOWN_EX
const OWNER_BY_IOCTL: [u64; 2] = [0x8901, 0x8902]; // FIOSETOWN, SIOCSPGRP

/// Why there is no filter.
pub type Error = seccompiler::BackendError;

/// The program for this processor.
pub fn program(filter: Filter) -> Result<BpfProgram, Error> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|call| (*call, vec![])).collect();
    if !filter.ipc_held {
        rules.extend(IPC.iter().map(|call| (*call, vec![])));
    }
    if !filter.signals_held {
        rules.extend(SIGNALS.iter().map(|call| (*call, vec![])));
        // Its own group, and the question whether a process is there.
        rules.insert(libc::SYS_kill, vec![rule(&[is(0, Op::Ne, 0)?, is(1, Op::Ne, 0)?])?]);
        let owners = OWNER_BY_FCNTL.map(|command| rule(&[is(1, Op::Eq, command)?]));
        rules.insert(libc::SYS_fcntl, owners.into_iter().collect::<Result<_, _>>()?);
    }
    let new_namespaces = NEW_NAMESPACES.map(|flag| {
        let flag = u64::from(flag.cast_unsigned());
        rule(&[SeccompCondition::new(0, Len::Qword, Op::MaskedEq(flag), flag)?])
    });
    rules.insert(libc::SYS_clone, new_namespaces.into_iter().collect::<Result<_, _>>()?);
    // Typing into a terminal.
    let typing = [libc::TIOCSTI, libc::TIOCLINUX];
    #[allow(clippy::useless_conversion, reason = "the type differs from libc to libc")]
    let typing = typing.map(|request| rule(&[is(1, Op::Eq, u64::from(request))?]));
    let owners = OWNER_BY_IOCTL.map(|request| rule(&[is(1, Op::Eq, request)?]));
    let owners = owners.into_iter().filter(|_| !filter.signals_held);
    rules.insert(libc::SYS_ioctl, typing.into_iter().chain(owners).collect::<Result<_, _>>()?);
    rules.insert(libc::SYS_socket, sockets(filter.network)?);
    // A pair is connected to itself, but a datagram socket of a pair can be sent elsewhere. A raw one is a datagram one.
    let pairs = [libc::SOCK_DGRAM, libc::SOCK_RAW].map(|kind| rule(&[is_kind(kind)?]));
    rules.insert(libc::SYS_socketpair, pairs.into_iter().collect::<Result<_, _>>()?);
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)?;
    let mut program = prologue();
    program.extend(BpfProgram::try_from(filter)?);
    Ok(program)
}

/// Calls of socket(2) that are refused.
fn sockets(network: bool) -> Result<Vec<SeccompRule>, Error> {
    if !network {
        return Ok(vec![]);
    }
    let [inet, inet6, netlink] = [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK].map(number);
    let mut refused = vec![rule(&[is(0, Op::Ne, inet)?, is(0, Op::Ne, inet6)?, is(0, Op::Ne, netlink)?])?];
    // Every kind but streams and datagrams: raw, reliable, sequential, congestion-controlled, packets.
    for kind in [libc::SOCK_RAW, libc::SOCK_RDM, libc::SOCK_SEQPACKET, 6, 10] {
        refused.push(rule(&[is(0, Op::Ne, netlink)?, is_kind(kind)?])?);
    }
    // Which addresses this machine has, and no other protocol of netlink.
    refused.push(rule(&[is(0, Op::Eq, netlink)?, is(2, Op::Ne, 0)?])?);
    Ok(refused)
}

fn rule(conditions: &[SeccompCondition]) -> Result<SeccompRule, Error> {
    SeccompRule::new(conditions.to_vec())
}

/// The kernel takes these arguments as 32 bits.
fn is(argument: u8, op: Op, value: u64) -> Result<SeccompCondition, Error> {
    SeccompCondition::new(argument, Len::Dword, op, value)
}

fn is_kind(kind: i32) -> Result<SeccompCondition, Error> {
    is(1, Op::MaskedEq(SOCK_TYPE), number(kind))
}

fn number(value: i32) -> u64 {
    u64::from(value.cast_unsigned())
}

/// Two things that the library has no words for. The calls of the x32 ABI pass its check of the architecture under other
/// numbers, so none is answered. And clone3, whose flags lie in memory where no filter can look, is said not to exist:
/// every C library then uses clone.
fn prologue() -> BpfProgram {
    const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
    const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    let no_such_call = 0x0005_0000 | libc::ENOSYS.cast_unsigned();
    let clone3 = u32::try_from(libc::SYS_clone3).unwrap_or(435);
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        step(LOAD, 0, 0, 0),
        step(AT_LEAST, 1, 0, 0x4000_0000),
        step(EQUAL, 0, 1, clone3),
        step(RETURN, 0, 0, no_such_call),
    ]
}

/// The program as the kernel and bubblewrap read it.
pub fn bytes(program: &[sock_filter]) -> Vec<u8> {
    let step = |step: &sock_filter| {
        let [a, b] = step.code.to_ne_bytes();
        let [w, x, y, z] = step.k.to_ne_bytes();
        [a, b, step.jt, step.jf, w, x, y, z]
    };
    program.iter().flat_map(step).collect()
}

#[cfg(test)]
#[path = "seccomp_tests.rs"]
mod tests;
